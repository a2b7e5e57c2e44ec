"""Running a customer's script: its files, its handler, its result, its traceback."""

import builtins
import importlib.util
import io
import json
import sys
import traceback
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

SCRIPT: Final = "customer_script"
"""AWS's own name of the file; it stands in tracebacks."""
LARGEST_RESULT: Final = 100 * 1024
LONGEST_LIST: Final = 100
LONGEST_TRACE: Final = 8_000
MOST_UNPACKED: Final = 256 * 1024 * 1024


class ScriptUnusable(Exception):
    """The script cannot be called as the step says, or its result has no form."""


def answer(order: Mapping[str, Any]) -> dict[str, Any]:
    """Run the script that `order` describes: {"payload": JSON text} or {"failure": text, "trace": text}."""
    _give_exit()
    try:
        handler = _handler(order)
        result = handler(order["events"], order["context"])
        sys.stdout.flush()
        return {"payload": _payload(result)}
    except ScriptUnusable as error:
        return {"failure": str(error), "trace": ""}
    except SystemExit as error:
        said = "" if error.code is None else f": {error.code}"
        return {"failure": f"SystemExit{said}"[:LONGEST_TRACE], "trace": _trace(error)}
    except BaseException as error:  # noqa: BLE001 - whatever a script raises is its failure
        return {"failure": _said(error), "trace": _trace(error)}


def _give_exit() -> None:
    """`exit("message")`, as an interactive Python has it; AWS's has it, too."""

    def leave(code: object = None) -> NoReturn:
        raise SystemExit(code)

    builtins.exit = builtins.quit = leave  # type: ignore[assignment]  # the same for every caller


def _handler(order: Mapping[str, Any]) -> Any:
    here = Path.cwd()
    sys.path.insert(0, str(here))
    _unpack(order.get("attachment_name", ""), order.get("attachment", b""), here)
    wanted: str = order["handler"]
    file, _, name = wanted.rpartition(".")
    is_attached = bool(order.get("attachment_name")) and bool(file) and _is_module(file)
    if order["script"] and not is_attached:
        module = _script(order["script"], here)
    elif not file:
        raise ScriptUnusable(f'Handler "{wanted}" must be FILE.FUNCTION where the code is an attachment')
    else:
        module = importlib.import_module(file)
    found = getattr(module, name, None)
    if not callable(found):
        raise ScriptUnusable(f'the script has no function "{name}" (Handler: {wanted})')
    return found


def _is_module(name: str) -> bool:
    """Whether it can be imported; a handler like this means the attachment, even where there is a script, too."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _script(source: str, here: Path) -> types.ModuleType:
    path = here / f"{SCRIPT}.py"
    path.write_text(source, "utf-8", errors="surrogatepass")
    module = types.ModuleType(SCRIPT)
    module.__file__ = str(path)
    sys.modules[SCRIPT] = module
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - it is what this process is for
    return module


def _unpack(name: str, content: bytes, here: Path) -> None:
    """Put an attachment where the script imports from: a zip beside the script and under its own name, too."""
    if not name:
        return
    if not name.lower().endswith(".zip"):
        (here / Path(name).name).write_bytes(content)
        return
    folder = here / Path(name).stem
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MOST_UNPACKED:
                raise ScriptUnusable(f'attachment "{name}" holds more than {MOST_UNPACKED:,} bytes')
            packed.extractall(folder)
    except zipfile.BadZipFile:
        raise ScriptUnusable(f'attachment "{name}" is not a zip file') from None
    sys.path.insert(0, str(folder))


def _payload(result: object) -> str:
    """A result as JSON text, within the limits of SSM."""
    try:
        text = json.dumps(_cut(result), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        place = _offender(result, "Payload")
        raise ScriptUnusable(place or f"the result has no JSON form: {error}") from None
    if len(text.encode()) > LARGEST_RESULT:
        raise ScriptUnusable(
            f"the script returned {len(text.encode()):,} bytes; AWS allows {LARGEST_RESULT:,} (100 KB of JSON)"
        )
    return text


def _cut(value: Any) -> Any:
    """Lists end after 100 items, as they do in AWS."""
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) > LONGEST_LIST:
            print(f"(a list of {len(value)} items was cut to {LONGEST_LIST}, as AWS does)")  # noqa: T201 - the script's log
        return [_cut(item) for item in value[:LONGEST_LIST]]
    return value


def _offender(value: object, place: str, depth: int = 0) -> str:
    """Where in a result the value is that JSON cannot say."""
    if depth > 100:
        return f"the result is nested too deeply or contains itself ({place[:60]}…)"
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int, float, bool, type(None))):
                return f"{place} has a key that is a {type(key).__name__}; JSON's keys are text"
            found = _offender(item, f"{place}.{key}", depth + 1)
            if found:
                return found
        return ""
    if isinstance(value, (list, tuple)):
        return next(filter(None, (_offender(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value))), "")
    if isinstance(value, float) and value - value != 0:
        return f"{place} is {value}, which JSON cannot say"
    if value is None or isinstance(value, (str, int, float, bool)):
        return ""
    return f"{place} is a {type(value).__name__}, which JSON cannot say; return text, numbers, lists and dictionaries"


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a script's exception may fail to say itself
        text = "(no message)"
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:LONGEST_TRACE]


def _trace(error: BaseException) -> str:
    """The traceback without the frames of this package, which are none of the script's business."""
    try:
        told = traceback.TracebackException.from_exception(error)
        _leave_out(told, Path(__file__).parent)
        text = "".join(told.format())
    except Exception:  # noqa: BLE001 - the same
        return ""
    return text if len(text) <= LONGEST_TRACE else f"{text[: LONGEST_TRACE // 2]}\n…\n{text[-LONGEST_TRACE // 2 :]}"


def _leave_out(told: traceback.TracebackException | None, folder: Path) -> None:
    while told is not None:
        told.stack[:] = [frame for frame in told.stack if Path(frame.filename).parent != folder]
        _leave_out(told.__cause__, folder)
        told = told.__context__
