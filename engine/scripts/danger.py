"""Dangerous things in a script's tree: secrets, text run as code, shells, blind trust, everything deleted. Pure."""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

METADATA: Final = re.compile(
    r"169\.254\.169\.254|169\.254\.170\.23?\b|fd00:ec2::(?:254|23)|0xa9fea9fe|\b2852039166\b|//instance-data\b",
    re.IGNORECASE,
)
"""Of instances, containers and pods, and the spellings that get round filters."""
SECRETS: Final = (
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "an AWS access key id"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"), "a Slack token"),
    (re.compile(r"\b(?:gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"), "a GitHub token"),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"), "a GitLab token"),
    (re.compile(r"\b[sr]k_live_[A-Za-z0-9]{16,}"), "a Stripe key"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{35}"), "a Google API key"),
    (re.compile(r"hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{16,}"), "a Slack webhook"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."), "a signed token"),
    (re.compile(r"://[^/\s:@{}]{1,40}:[^/\s:@{}]{3,80}@"), "a password in a URL"),
)
SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:pass(?:word|wd|phrase)?|pwd|secret(?:_?(?:access)?_?key)?|api_?key|auth_?token|access_?token"
    r"|private_?key|client_?secret)$",
    re.IGNORECASE,
)
NO_SECRET: Final = re.compile(
    r"|[*x.]+|\{\{.*|<.*>|\$\{?.*|changeme|example|none|null|true|false|n/?a|/.*|arn:.*|[A-Z0-9]+(?:_[A-Z0-9]+)+",
    re.IGNORECASE,
)
"""What is assigned to such names and is none: nothing, place-holders, templates, paths, ARNs, names of variables."""
NETWORK: Final = frozenset(
    {"socket", "http", "urllib3", "requests", "httpx", "aiohttp", "paramiko", "ftplib", "smtplib"}
)
SHELLS: Final = frozenset(
    {
        "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell", "commands.getoutput", "pty.spawn",
    }
)  # fmt: skip
PROCESSES: Final = frozenset({"subprocess", "multiprocessing", "pty"})
WHOLE: Final = frozenset({"all", "filter", "limit", "page_size"})
"""Of a resource's collection: with no condition they are everything."""
DESTROYS: Final = frozenset({"delete", "terminate", "stop", "deregister", "release", "detach", "purge"})
EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a script; lines and columns count from 1."""

    code: str
    message: str
    line: int
    column: int


def dangers(tree: ast.Module) -> list[Finding]:
    """What is dangerous in a script, unordered."""
    return _Walk(tree).findings()


class _Walk(ast.NodeVisitor):
    """One pass over the tree."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._found: list[Finding] = []
        self._names: dict[str, str] = {}

    def findings(self) -> list[Finding]:
        """What was found, unordered."""
        for node in ast.walk(self._tree):
            for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
                self._names[alias.asname or alias.name.partition(".")[0]] = (
                    module + alias.name if alias.asname or module else alias.name.partition(".")[0]
                )
        self.visit(self._tree)
        return self._found

    def _say(self, code: str, message: str, node: ast.AST) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        self._found.append(Finding(code, message, line, column + 1))

    def visit_Import(self, node: ast.Import) -> None:
        """Modules that need what is not there."""
        for alias in node.names:
            self._module(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """The same."""
        self._module(node.module or "", node)

    def _module(self, name: str, node: ast.AST) -> None:
        top = name.partition(".")[0]
        if top in NETWORK or name.startswith(("urllib.request", "http.client")):
            self._say(
                "SCR201", f"{name} needs a network, which scripts do not have here; AWS is called through boto3", node
            )
        if top in PROCESSES:
            self._say("SCR202", f"{name} starts programs, which scripts cannot do here", node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Texts that say too much, or lead where they should not."""
        if not isinstance(node.value, str):
            return
        if METADATA.search(node.value):
            self._say("SCR104", "the address of the metadata service, from where credentials can be stolen", node)
        for pattern, name in SECRETS:
            if pattern.search(node.value):
                self._say("SCR101", f"the code contains {name}; keep it in Secrets Manager or Parameter Store", node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Secrets by the name of what they are assigned to; hosts whose certificates are not looked at."""
        for target in node.targets:
            self._assigned(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """The same, with a type."""
        if node.value is not None:
            self._assigned(node.target, node.value)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Secrets that something is compared with."""
        for name, value in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
            self._secret(_name(name), value)
        self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> None:
        """Secrets that stand in for a missing argument."""
        named = [*node.posonlyargs, *node.args]
        pairs = [*zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True)]
        pairs += [(a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None]
        for argument, default in pairs:
            self._secret(argument.arg, default)
        self.generic_visit(node)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        name = _name(target)
        self._secret(name, value)
        if name == "check_hostname" and _is(value, False):
            self._say("SCR105", "check_hostname = False accepts the certificate of any host", value)
        if name == "_create_default_https_context":
            self._say("SCR105", "certificates are not verified any more", value)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Policies that allow everything; secrets under their name."""
        pairs = {
            key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        }
        for name, value in pairs.items():
            self._secret(str(name), value)
        is_allow = _is(pairs.get("Effect"), "Allow")
        if is_allow and any(_has(pairs.get(part), "*") for part in ("Action", "Principal")):
            self._say("SCR107", 'a policy that allows "*"; name what is needed', node)
        self.generic_visit(node)

    def _secret(self, name: str, value: ast.expr) -> None:
        if not SECRET_NAME.search(name) or not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            return
        if len(value.value) >= 6 and not NO_SECRET.fullmatch(value.value):
            self._say(
                "SCR101", f'"{name}" is written into the code; keep it in Secrets Manager or Parameter Store', value
            )

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Certificates that are not looked at."""
        if node.attr in ("CERT_NONE", "_create_unverified_context"):
            self._say("SCR105", f"{node.attr}: certificates are not verified", node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Calls that run text, start programs, trust anybody or destroy everything."""
        name = self._name_of(node.func)
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        for check in CALLS:
            text = check(name, node, given)
            if text:
                self._say(text[:6], text[7:], node)
        for word, value in given.items():
            self._secret(word, value)
        self.generic_visit(node)

    def _name_of(self, node: ast.expr) -> str:
        """`module.function`, through the names of imports."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            return ".".join([self._names.get(node.id, node.id), *parts])
        return ".".join(["", *parts])


Given = Mapping[str, ast.expr]


def _runs_text(name: str, node: ast.Call, _: Given) -> str:
    is_fixed = bool(node.args) and isinstance(node.args[0], ast.Constant)
    if name in ("eval", "exec", "builtins.eval", "builtins.exec"):
        return f"SCR102 {name}() runs text as code" + ("" if is_fixed else "; read data with json or ast.literal_eval")
    if name in ("pickle.loads", "pickle.load", "marshal.loads", "dill.loads", "shelve.open"):
        return f"SCR109 {name}() runs whatever the data says; use json"
    loader = next((k.value for k in node.keywords if k.arg == "Loader"), node.args[1] if len(node.args) > 1 else None)
    if name in ("yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "jsonpickle.decode"):
        return f"SCR109 {name}() can make any object; use yaml.safe_load or json"
    if name in ("yaml.load", "yaml.load_all") and not (isinstance(loader, ast.Attribute) and "Safe" in loader.attr):
        return f"SCR109 {name}() can make any object; use yaml.safe_load"
    return ""


def _starts_a_shell(name: str, _: ast.Call, given: Given) -> str:
    if name in SHELLS:
        return f"SCR103 {name}() gives its text to a shell"
    if re.fullmatch(r"os\.(?:exec|spawn|posix_spawn)[lvpe]*", name):
        return f"SCR103 {name}() starts a program"
    if name.startswith("subprocess.") and _is(given.get("shell"), True):
        return f"SCR103 {name}(shell=True) gives its text to a shell"
    return ""


def _trusts_anybody(name: str, _: ast.Call, given: Given) -> str:
    if name.endswith("urllib3.disable_warnings"):
        return "SCR105 disable_warnings() hides that certificates are not verified"
    if _is(given.get("verify"), False):
        return f"SCR105 {name.rpartition('.')[2]}(verify=False) accepts any certificate"
    if _is(given.get("use_ssl"), False):
        return f"SCR105 {name.rpartition('.')[2]}(use_ssl=False) sends everything in the clear"
    return ""


def _destroys_everything(name: str, node: ast.Call, _: Given) -> str:
    before = node.func.value if isinstance(node.func, ast.Attribute) else None
    last = name.rpartition(".")[2]
    if name == "shutil.rmtree" and node.args and _is(node.args[0], "/"):
        return "SCR106 shutil.rmtree('/') deletes everything"
    if last not in DESTROYS or not isinstance(before, ast.Call) or not isinstance(before.func, ast.Attribute):
        return ""
    if (
        before.func.attr in WHOLE
        and not before.args
        and not any(k.arg in (None, "Filters", "Prefix") for k in before.keywords)
    ):
        of = before.func.value.attr if isinstance(before.func.value, ast.Attribute) else "the collection"
        return f"SCR106 .{before.func.attr}().{last}() does it to all {of} there are; filter them first"
    return ""


def _opens_to_everyone(name: str, node: ast.Call, _: Given) -> str:
    if not name.endswith(("authorize_security_group_ingress", "authorize_ingress")):
        return ""
    texts = {n.value for part in (*node.args, *node.keywords) for n in ast.walk(part) if isinstance(n, ast.Constant)}
    return "SCR108 a security group is opened to everyone (0.0.0.0/0 or ::/0)" if texts & EVERYONE else ""


CALLS: Final[tuple[Callable[[str, ast.Call, Given], str], ...]] = (
    _runs_text, _starts_a_shell, _trusts_anybody, _destroys_everything, _opens_to_everyone,
)  # fmt: skip


def _name(node: ast.expr) -> str:
    """What a target is called: its name, attribute or key."""
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else ""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value


def _has(node: ast.expr | None, value: str) -> bool:
    """Whether a policy's part is "*", or holds it."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(_is(item, value) for item in node.elts)
    if isinstance(node, ast.Dict):
        return any(_is(item, value) for item in node.values)
    return _is(node, value)
