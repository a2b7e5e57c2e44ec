"""What AWS refuses at CreateDocument: found by the reader and the parser, named here. Pure.

Sources: SSM API CreateDocument (InvalidDocumentContent, InvalidDocumentSchemaVersion, MaxDocumentSizeExceeded) and the
User Guide's "Data elements and parameters", "Properties shared by all actions" and "aws:branch".
"""

from typing import Final

from engine.lint.rule import Family, error

READING: Final = Family(
    "Reading the file",
    (
        error("SRC001", "the file is too large to be a runbook", "64 KB is AWS's limit"),
        error("SRC002", "the file is not well-formed YAML or JSON"),
        error("SRC003", "a character is not allowed in YAML or JSON", "write it as an escape"),
        error("SRC004", "the file is nested too deeply, or has too many values"),
        error("SRC005", "the file is empty"),
        error("SRC006", "aliases (`*name`) are not supported", "write the value out"),
        error("SRC007", "a key is not text", "put quotes around `{{ … }}`"),
        error("SRC009", "a tag (`!Sub`, `!!int`) is not supported", "resolve CloudFormation's functions before"),
        error("SRC010", "a second document begins in the file", "one file is one runbook"),
        error("SRC011", "the file is not UTF-8 text", "save it as UTF-8"),
    ),
)
SHAPE: Final = Family(
    "The document",
    (
        error("DOC001", "the document is larger than 64 KB, layout not counted", "move scripts to an attachment"),
        error("DOC002", "a runbook is a map with schemaVersion and mainSteps"),
        error("DOC003", "schemaVersion is missing, or is not '0.3'"),
        error("DOC004", "mainSteps is missing, empty, or no list"),
        error("DOC005", "assumeRole may not refer to Parameter Store"),
        error("DOC006", "outputs must be a list of `stepName.OutputName`"),
        error("KEY001", "a property is unknown", "the nearest known one is named"),
        error("KEY002", "a map is expected here"),
        error("KEY003", "a whole number is expected here"),
        error("KEY004", "true or false is expected here"),
        error("KEY005", "a text is expected here"),
    ),
)
DECLARATIONS: Final = Family(
    "Parameters and variables that are refused",
    (
        error("PAR001", "the name of a parameter is not alphanumeric"),
        error("PAR002", "a definition must be a map with a type"),
        error("PAR003", "a parameter or variable has no type"),
        error("PAR004", "a type is unknown"),
        error("PAR005", "a default does not fit its type"),
        error("PAR006", "allowedValues must be a list"),
    ),
)
STEPS: Final = Family(
    "Steps that are refused",
    (
        error("STP001", "a step is a map with name, action and inputs"),
        error("STP002", "a step has no name"),
        error("STP003", "the name of a step may have letters, digits and _ only"),
        error("STP004", "two steps have the same name"),
        error("STP005", "a step has no action"),
        error("STP006", "a step has no inputs", "write `inputs: {}` where there are none"),
        error("STP007", "the name of an action has the wrong form", "actions are named `aws:…`"),
        error("STP008", "a loop stands inside a loop"),
        error("STP009", "aws:loop has no Steps"),
        error("STP010", "aws:loop needs exactly one of Iterators and LoopCondition"),
        error("STP011", "onFailure or onCancel has a value it cannot have", "Abort, Continue or step:NAME"),
        error("INP010", "an input of aws:runCommand is of the wrong kind"),
        error("OUT001", "the outputs of a step must be a list of maps"),
        error("OUT002", "an output needs Name and Selector"),
        error("OUT003", "the type of an output is unknown"),
    ),
)
FLOW: Final = Family(
    "Flow and references that are refused",
    (
        error("FLW001", "an output of the document names a step that does not exist"),
        error("FLW002", "isEnd and nextStep stand in the same step"),
        error("FLW003", "a jump leads to a step that does not exist"),
        error("FLW004", "aws:branch has no Choices, or a choice no NextStep"),
        error("FLW005", "a condition is incomplete", "Variable and an operator, or And, Or, Not"),
        error("FLW006", "the operator of a condition is unknown"),
        error("FLW007", "a jump leads into a loop from outside"),
        error("FLW008", "the steps run in an endless circle"),
        error("FLW009", "onCancel leads to an action that cannot run then"),
        error("REF001", "a reference names a parameter that is not declared"),
        error("REF002", "a reference names a step that does not exist"),
        error("REF003", "a reference names a variable that is not declared"),
        error("REF004", "`{{ssm:…}}` stands where it is not allowed", "make it the default of a parameter"),
    ),
)
