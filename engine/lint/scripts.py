"""The scripts of a runbook: our own scan (engine/scripts/problems.py), and calls that no client has. Pure."""

from typing import Final

from engine.lint.rule import Family, note, warning

FAMILY: Final = Family(
    "Scripts",
    (
        warning("SCR001", "the script is not valid Python"),
        warning("SCR002", "the script has no function of the Handler's name"),
        warning("SCR003", "the Runtime that the step names does not understand the script's syntax"),
        warning("SCR101", "a secret stands in the code", "Secrets Manager or Parameter Store"),
        warning("SCR102", "text is run as code (`eval`, `exec`)", "read data with json or ast.literal_eval"),
        warning("SCR103", "text is given to a shell"),
        warning("SCR104", "the address of the metadata service, from where credentials can be stolen"),
        warning("SCR105", "certificates are not verified, or nothing is encrypted"),
        warning("SCR106", "everything there is is deleted, stopped or terminated", "filter it first"),
        warning("SCR107", 'a policy that allows "*"'),
        warning("SCR108", "a security group is opened to everyone"),
        warning("SCR109", "data is read by something that runs what the data says (`pickle`, `yaml.load`)"),
        warning("SCR110", "a reference whose value can be anything becomes code", "hand it over in InputPayload"),
        warning("SCR201", "a module needs a network, which scripts do not have here"),
        warning("SCR202", "a module starts programs, which scripts cannot do here"),
        warning("SCR301", "a client has no such method"),
        warning("B…", "what bandit finds beyond these, where it is installed"),
        warning("S…", "what ruff's `S` rules find beyond these, where ruff is installed"),
        note("SCR900", "a script is PowerShell, which is not scanned"),
    ),
)
