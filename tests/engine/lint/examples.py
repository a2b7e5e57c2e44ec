"""For every rule a document that breaks it, and how the sentence about it begins."""

from tests.engine.lint.documents import HEAD, call, script, steps

SLEEP = "- name: z\n  action: aws:sleep\n  inputs: {Duration: PT1S}\n"
PARAMETERS = HEAD + "assumeRole: arn:aws:iam::123456789012:role/R\nmainSteps:\n" + SLEEP

EXAMPLES: list[tuple[str, str, str]] = [
    # code, document, line:column and the beginning of the sentence
    ("SRC001", HEAD + "x: " + "y" * 4_000_001, "1:1 the file is larger than"),
    ("SRC002", HEAD + "a: b: c", "3:5 YAML not well-formed"),
    ("SRC003", HEAD + "a: \x00", "3:4 the character U+0000"),
    ("SRC004", HEAD + "a: " + "[" * 100, "3:64 the file is nested deeper"),
    ("SRC005", "", "1:1 the file is empty"),
    ("SRC006", "a: &x 1\nb: *x", "2:4 aliases"),
    ("SRC007", "a: {{ P }}", "1:5 a key must be text"),
    (
        "SRC008",
        HEAD + "description: again\n" + "mainSteps:\n" + SLEEP,
        '3:1 the key "description" stands here a second',
    ),
    ("SRC009", HEAD + "assumeRole: !Ref R\n", "3:13 the tag !Ref"),
    ("SRC010", HEAD + "---\na: 1", "3:1 a second document"),
    ("SRC101", steps("- name: a\n  action: aws:pause\n  inputs: &x {}"), "7:11 anchors"),
    (
        "SRC102",
        call("Service: ec2, Api: DescribeInstances, Filters: [{Name: on, Values: [a]}]"),
        '7:67 "on" is text here',
    ),
    ("SRC103", call("Service: ec2, Api: CreateImage, InstanceId: i-1, Name: 1.10"), '7:67 "1.10" is the number 1.1'),
    ("DOC001", HEAD + "mainSteps:\n" + SLEEP + f"assumeRole: {'x' * 70_000}", "1:1 the document is larger than 64 KB"),
    ("DOC002", "- 1", "1:1 a runbook is a map"),
    ("DOC003", "schemaVersion: '2.2'\nmainSteps:\n" + SLEEP, "1:1 schemaVersion must be '0.3'"),
    ("DOC004", HEAD, '1:1 Missing "mainSteps"'),
    ("DOC005", HEAD + "assumeRole: '{{ ssm:x }}'\nmainSteps:\n" + SLEEP, "3:1 assumeRole may not"),
    ("DOC006", PARAMETERS + "outputs: [x]", "8:11 an output is written"),
    ("KEY001", PARAMETERS + "output: []", '8:1 Unknown property "output". Did you mean "outputs"?'),
    ("KEY002", PARAMETERS + "parameters: []", '8:1 "parameters" must be a map'),
    ("KEY003", PARAMETERS.rstrip() + "\n  maxAttempts: many", '8:3 "maxAttempts" must be a whole number'),
    ("KEY004", PARAMETERS.rstrip() + "\n  isEnd: perhaps", '8:3 "isEnd" must be true or false'),
    ("KEY005", PARAMETERS.rstrip() + "\n  description: [x]", '8:3 "description" must be text'),
    ("PAR001", PARAMETERS + "parameters:\n  a-b: {type: String}", '9:3 Parameter name "a-b"'),
    ("PAR002", PARAMETERS + "parameters:\n  A: String", '9:3 the definition of "A"'),
    ("PAR003", PARAMETERS + "parameters:\n  A: {description: x}", '9:3 Missing "type"'),
    ("PAR004", PARAMETERS + "parameters:\n  A: {type: Strng}", "9:7 Parameter type: Strng is invalid. Did you mean"),
    ("PAR005", PARAMETERS + "parameters:\n  A: {type: Integer, default: x}", "9:22 Wrong default value"),
    ("PAR006", PARAMETERS + "parameters:\n  A: {type: String, allowedValues: x}", "9:21 allowedValues must be a list"),
    (
        "PAR101",
        PARAMETERS + "parameters:\n  A: {type: String, allowedPattern: '['}",
        "9:21 allowedPattern cannot be read",
    ),
    (
        "PAR102",
        PARAMETERS + "parameters:\n  A: {type: String, minChars: 3, maxChars: 2}",
        "9:34 maxChars 2 is less than",
    ),
    (
        "PAR103",
        PARAMETERS + "parameters:\n  A: {type: String, maxItems: 2}",
        "9:21 maxItems has no meaning for a String",
    ),
    (
        "PAR104",
        PARAMETERS + "parameters:\n  A: {type: String, default: x, allowedValues: [y]}",
        "9:21 the default would be",
    ),
    (
        "PAR105",
        PARAMETERS + "parameters:\n  A: {type: 'AWS::EC2::Instance::Id', default: x}",
        "9:39 the default would be",
    ),
    (
        "PAR106",
        PARAMETERS + "parameters:\n  A: {type: String, default: '{{ B }}'}",
        '9:21 "{{ B }}" in the default refers',
    ),
    (
        "PAR107",
        PARAMETERS + f"parameters:\n  {'A' * 51}: {{type: String}}",
        "9:3 a start cannot name a parameter of more than 50",
    ),
    (
        "VAR105",
        "variables:\n  N: {type: Integer}\n"
        + steps("- name: a\n  action: aws:updateVariable\n  inputs: {Name: 'variable:N', Value: many}"),
        '9:32 the value does not fit the variable "N"',
    ),
    (
        "API013",
        "parameters:\n  P: {type: StringList}\n"
        + call("Service: ec2, Api: StopInstances, InstanceIds: [i], Force: '{{ P }}'"),
        "9:64 {{ P }} is a StringList, which Force cannot take",
    ),
    (
        "LIM004",
        PARAMETERS + "files: {a1: {}, a2: {}, a3: {}, a4: {}, a5: {}, a6: {}}",
        "8:1 the document has 6 attachments; SSM takes 5",
    ),
    ("PAR108", PARAMETERS + "parameters:\n  A: {type: String}", '9:3 parameter "A" is used nowhere'),
    ("PAR109", PARAMETERS + "parameters:\n  DbPassword: {type: String}", '9:3 the value of "DbPassword" is kept'),
    ("VAR101", PARAMETERS + "variables:\n  A: {type: Integer, default: x}", "9:22 the default does not fit"),
    (
        "VAR102",
        PARAMETERS + f"variables:\n  A: {{type: String, default: {'x' * 600}}}",
        "9:21 a String variable may have",
    ),
    ("VAR103", PARAMETERS + "variables:\n  A: {type: String}", '9:3 variable "A" is read nowhere'),
    (
        "VAR104",
        steps("- name: a\n  action: aws:updateVariable\n  inputs: {Name: 'variable:X', Value: 1}"),
        '7:12 the variable "X"',
    ),
    ("STP001", steps("- x"), "5:3 a step is a map"),
    ("STP002", steps("- action: aws:pause"), '5:3 Missing "name"'),
    ("STP003", steps("- name: a b\n  action: aws:pause"), "5:3 StepName: a b is invalid"),
    ("STP004", steps("- {name: a, action: 'aws:pause'}\n- {name: a, action: 'aws:pause'}"), "6:4 Duplicate step names"),
    ("STP005", steps("- name: a\n  inputs: {}"), '5:3 Missing "action"'),
    ("STP006", steps("- name: a\n  action: aws:sleep"), '5:3 Missing "inputs"'),
    (
        "STP007",
        steps("- name: a\n  action: sleep\n  inputs: {}"),
        '6:3 Unknown action: sleep. Did you mean "aws:sleep"?',
    ),
    (
        "STP008",
        steps(
            "- name: a\n  action: aws:loop\n"
            "  inputs: {Iterators: [1], Steps: [{name: b, action: 'aws:loop', inputs: {}}]}"
        ),
        "7:46 a loop cannot stand inside a loop",
    ),
    ("STP009", steps("- name: a\n  action: aws:loop\n  inputs: {Iterators: [1]}"), "7:3 aws:loop needs Steps"),
    (
        "STP010",
        steps("- name: a\n  action: aws:loop\n  inputs: {Steps: [{name: b, action: 'aws:pause'}]}"),
        "7:3 aws:loop needs exactly",
    ),
    ("STP011", steps("- name: a\n  action: aws:pause\n  onFailure: Retry"), '7:3 "onFailure" must be Abort or'),
    (
        "STP101",
        steps("- name: a\n  action: aws:approve\n  timeoutSeconds: 2592001\n  inputs: {Approvers: [x]}"),
        "7:3 aws:approve is ended after",
    ),
    ("STP102", steps("- name: a\n  action: aws:pause\n  timeoutSeconds: 0"), "7:3 timeoutSeconds must be at least 1"),
    ("STP103", steps("- name: a\n  action: aws:pause\n  maxAttempts: 0"), "7:3 maxAttempts counts all tries"),
    (
        "STP104",
        steps(
            "- name: a\n  action: aws:loop\n  onCancel: Abort\n"
            "  inputs: {Iterators: [1], Steps: [{name: b, action: 'aws:pause'}]}"
        ),
        "7:3 aws:loop does not support onCancel",
    ),
    (
        "STP105",
        steps(
            "- name: a\n  action: aws:executeScript\n  inputs: {Runtime: python3.11, Handler: x.y, Attachment: x.zip}"
        ),
        '7:47 the attachment "x.zip" is not among',
    ),
    (
        "ACT001",
        steps("- name: a\n  action: aws:putServerUpgradeMetrics\n  inputs: {}"),
        "6:3 aws:putServerUpgradeMetrics is an action of AWS's",
    ),
    (
        "INP001",
        steps("- name: a\n  action: aws:approve\n  inputs: {Message: x}"),
        '7:3 aws:approve needs the input "Approvers"',
    ),
    (
        "INP002",
        steps("- name: a\n  action: aws:runCommand\n  inputs: {DocumentName: X, InstanceIds: [i], Paramters: {}}"),
        '7:47 aws:runCommand has no input "Paramters". Did you mean "Parameters"?',
    ),
    (
        "INP003",
        steps("- name: a\n  action: aws:sleep\n  inputs: {Duration: 10m}"),
        '7:12 "10m" is not an ISO 8601 duration',
    ),
    (
        "INP004",
        steps(
            "- name: a\n  action: aws:runCommand\n"
            f"  inputs: {{DocumentName: X, InstanceIds: [{', '.join(['i'] * 51)}]}}"
        ),
        "7:29 InstanceIds may have at most 50 items, not 51",
    ),
    (
        "INP005",
        steps("- name: a\n  action: aws:executeScript\n  inputs: {Runtime: python2.7, Handler: x, Script: x}"),
        '7:12 the runtime "python2.7" is unknown',
    ),
    (
        "INP006",
        steps("- name: a\n  action: aws:approve\n  inputs: {Approvers: [x, x], MinRequiredApprovals: 2}"),
        "7:31 MinRequiredApprovals is 2, but there are only 1",
    ),
    (
        "INP010",
        steps("- name: a\n  action: aws:runCommand\n  inputs: {DocumentName: X, InstanceIds: {a: b}}"),
        "7:29 InstanceIds of aws:runCommand must be a list",
    ),
    ("OUT001", call("Service: ec2, Api: DescribeInstances", "x"), "8:13 an output is a map"),
    ("OUT002", call("Service: ec2, Api: DescribeInstances", "{Name: x}"), "8:13 an output needs a Name and a Selector"),
    (
        "OUT003",
        call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: $, Type: Text}"),
        "8:36 Output type: Text",
    ),
    ("OUT101", call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: '$.a['}"), '8:23 the selector "$.a["'),
    (
        "OUT102",
        script("def go(e, c): pass") + "  outputs: [{Name: X, Selector: $.x}]",
        "12:23 what a script returns is under Payload",
    ),
    (
        "OUT103",
        call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: $}, {Name: x, Selector: $}"),
        '8:38 the output "x" is declared',
    ),
    ("OUT104", call("Service: ec2, Api: DescribeInstances", "{Name: a b, Selector: $}"), "8:14 no reference can name"),
    ("OUT105", PARAMETERS.rstrip() + "\n  outputs: [{Name: x, Selector: $}]", "8:3 aws:sleep has no answer"),
    (
        "OUT106",
        script("def go(e, c): pass") + "  outputs: [{Name: Payload, Selector: $.Payload}]",
        '12:14 "Payload" is an output',
    ),
    ("OUT107", PARAMETERS + "outputs: [z.X]", '8:11 step "z" has no output "X". It has none.'),
    (
        "OUT108",
        call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: $}") + "outputs: [a.x, a.x]",
        '9:16 the output "a.x"',
    ),
    ("FLW001", PARAMETERS + "outputs: [y.X]", "8:11 Unknown step name in named output: y.X"),
    (
        "FLW002",
        steps("- name: a\n  action: aws:pause\n  isEnd: true\n  nextStep: a"),
        '8:3 "isEnd == true" and nextStep',
    ),
    (
        "FLW003",
        steps("- name: stop\n  action: aws:pause\n  nextStep: stopp"),
        '7:3 Unknown step name: "stopp" in nextStep. Did you',
    ),
    ("FLW004", steps("- name: a\n  action: aws:branch\n  inputs: {}"), "7:3 aws:branch needs Choices"),
    (
        "FLW005",
        steps("- name: a\n  action: aws:branch\n  inputs: {Choices: [{NextStep: a}]}"),
        "7:22 a condition is a map",
    ),
    (
        "FLW006",
        steps("- name: a\n  action: aws:branch\n  inputs: {Choices: [{NextStep: a, Variable: x, StringEqual: y}]}"),
        '7:49 Unknown operator "StringEqual". Did you mean "StringEquals"?',
    ),
    (
        "FLW007",
        steps(
            "- name: a\n  action: aws:loop\n  inputs: {Iterators: [1], Steps: [{name: b, action: 'aws:pause'}]}\n"
            "- name: c\n  action: aws:pause\n  onFailure: step:b"
        ),
        '10:3 "b" in onFailure stands inside the loop',
    ),
    (
        "FLW008",
        steps("- name: a\n  action: aws:pause\n  nextStep: b\n- name: b\n  action: aws:pause\n  nextStep: a"),
        "5:3 the steps run in an endless",
    ),
    (
        "FLW009",
        steps("- name: a\n  action: aws:pause\n  onCancel: step:z\n" + SLEEP),
        '7:3 onCancel may not lead to "z"',
    ),
    ("FLW101", steps("- name: a\n  action: aws:pause\n  isEnd: true\n" + SLEEP), '8:3 no way leads to step "z"'),
    (
        "FLW102",
        steps("- name: a\n  action: aws:pause\n  onFailure: step:z\n" + SLEEP),
        '7:3 if "a" fails, the execution ends Failed',
    ),
    (
        "FLW103",
        steps(
            "- name: a\n  action: aws:branch\n"
            "  inputs: {Choices: [{NextStep: y, Variable: '{{ a.B }}', StringEquals: x}]}\n"
            + SLEEP
            + SLEEP.replace("z", "y")
        ),
        '5:3 nothing matches: the flow falls through to "z"',
    ),
    (
        "FLW104",
        steps(
            "- name: a\n  action: aws:branch\n  inputs:\n    Choices:\n"
            "    - {NextStep: z, Variable: '{{ global:REGION }}', StringEquals: x}\n"
            "    - {NextStep: z, Variable: '{{ global:REGION }}', StringEquals: x}\n" + SLEEP
        ),
        "10:7 choice 2 has the condition",
    ),
    (
        "FLW106",
        steps(
            "- name: a\n  action: aws:branch\n  inputs: {Choices: [{NextStep: z, Variable: x, StringEquals: x}]}\n"
            + SLEEP
        ),
        "7:36 Variable is no reference",
    ),
    (
        "FLW107",
        steps(
            "- name: a\n  action: aws:branch\n"
            "  inputs: {Choices: [{NextStep: z, Variable: '{{ a.B }}', NumericEquals: x}]}\n" + SLEEP
        ),
        "7:59 NumericEquals compares with a number",
    ),
    (
        "FLW108",
        steps("- name: a\n  action: aws:approve\n  onFailure: Continue\n  inputs: {Approvers: [x]}\n" + SLEEP),
        "7:3 a rejection or time-out",
    ),
    (
        "REF001",
        call("Service: ec2, Api: StopInstances, InstanceIds: ['{{ Id }}']"),
        '7:60 Parameter "Id" is not declared',
    ),
    ("REF002", call("Service: ec2, Api: StopInstances, InstanceIds: ['{{ b.Id }}']"), '7:60 Unknown step name "b"'),
    (
        "REF003",
        call("Service: ec2, Api: StopInstances, InstanceIds: ['{{ variable:X }}']"),
        '7:60 Variable "X" is not declared',
    ),
    (
        "REF004",
        call("Service: ec2, Api: StopInstances, InstanceIds: ['{{ ssm:x }}']"),
        "7:60 {{ssm:…}} is allowed only",
    ),
    (
        "REF101",
        steps(SLEEP + "- name: a\n  action: aws:sleep\n  inputs: {Duration: '{{ z.Length }}'}"),
        '10:12 step "z" has no output',
    ),
    (
        "REF102",
        steps(
            "- name: a\n  action: aws:sleep\n"
            "  inputs: {Duration: '{{ s.Payload }}'}\n- name: s\n  action: aws:executeScript\n"
            "  inputs: {Runtime: python3.11, Handler: go, Script: 'def go(e, c): return 1'}"
        ),
        '7:12 step "s" cannot have run',
    ),
    (
        "REF103",
        steps("- name: a\n  action: aws:sleep\n  inputs: {Duration: '{{ global:REGIO }}'}"),
        '7:12 there is no "{{ global:REGIO }}". Did you',
    ),
    ("REF104", HEAD + "assumeRole: '{{ z.Role }}'\nmainSteps:\n" + SLEEP, "3:1 assumeRole is needed before any step"),
    (
        "REF105",
        steps("- name: a\n  action: aws:pause\n  inputs: {Message: 'of {{ my-name }}'}"),
        '7:12 "{{ my-name }}" is no reference',
    ),
    (
        "REF106",
        steps("- name: a\n  action: aws:pause\n  inputs: {Message: 'of {{ Name'}"),
        '7:12 the braces of "of {{ Name"',
    ),
    (
        "REF107",
        steps("- name: a\n  action: aws:pause\n  inputs: {Message: {'{{ Name }}': x}}"),
        '7:12 the key "{{ Name }}" keeps',
    ),
    (
        "REF108",
        steps("- name: a\n  action: aws:pause\n  inputs: {Message: 'of {{ b.X }}'}"),
        '7:12 "{{ b.X }}" names no step',
    ),
    ("REF110", script("def go(e, c): return '{{ Name }}'"), '10:5 "{{ Name }}" in the script refers to nothing'),
    ("API001", call("Service: ecc2, Api: DescribeInstances"), '7:12 There is no AWS service "ecc2". Did you mean'),
    (
        "API002",
        call("Service: ec2, Api: DescribeInstance"),
        '7:26 ec2 has no operation "DescribeInstance". Did you mean',
    ),
    ("API003", call("Service: s3, Api: GetObject, Bucket: bbb, Key: k"), "7:25 GetObject answers with a stream"),
    (
        "API004",
        call("Service: ec2, Api: StopInstances, InstanceId: [i]"),
        '7:46 StopInstances has no input "InstanceId". Did you',
    ),
    (
        "API005",
        call("Service: ec2, Api: StopInstances, InstanceIds: [i], Force: perhaps"),
        "7:64 Force must be true or false",
    ),
    ("API006", call("Service: ec2, Api: StopInstances"), '7:3 StopInstances needs the input "InstanceIds"'),
    (
        "API007",
        call("Service: ssm, Api: DescribeInstanceInformation, MaxResults: 500"),
        "7:60 MaxResults may be at most 50",
    ),
    (
        "API008",
        call("Service: ec2, Api: ModifyInstanceAttribute, InstanceId: i, Attribute: kernal"),
        '7:71 Attribute cannot be "kernal"',
    ),
    (
        "API009",
        call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: '$.Reservations[0].Instances[0].Sate'}"),
        '8:23 "$.Reservations[0].Instances[0].Sate" finds nothing: the answer has no "Sate" here.',
    ),
    (
        "API010",
        call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: '$.Reservations', Type: Integer}"),
        '8:51 "$.Reservations" finds a list',
    ),
    (
        "API011",
        steps(
            "- name: a\n  action: aws:waitForAwsResourceProperty\n  inputs: {Service: ec2, Api: DescribeInstances, "
            "PropertySelector: '$.Reservations[0].Instances[0].State.Name', DesiredValues: [Running]}"
        ),
        '7:129 the property is never "Running". Did you mean "running"?',
    ),
    ("API012", call("Service: '{{ global:REGION }}', Api: X"), "7:12 Service is known at run time only"),
    (
        "DNG001",
        steps("- name: a\n  action: aws:deleteStack\n  inputs: {StackName: x}"),
        '5:3 step "a" (aws:deleteStack) cannot be undone',
    ),
    (
        "DNG002",
        call("Service: ec2, Api: AuthorizeSecurityGroupIngress, GroupId: g, CidrIp: 0.0.0.0/0"),
        '7:3 step "a" opens a security group',
    ),
    (
        "PRM001",
        steps("- name: a\n  action: aws:executeAwsApi\n  inputs: {Service: ec2, Api: DescribeInstances}", role=False),
        "1:1 the document has no",
    ),
    (
        "PRM002",
        script("import boto3\ndef go(e, c): boto3.client('ec2').describe_instances()", role=False),
        '5:3 the script of step "a"',
    ),
    ("PRM003", HEAD + "assumeRole: MyRole\nmainSteps:\n" + SLEEP, "3:1 assumeRole must be the ARN"),
    (
        "PRM004",
        script("import boto3\ndef go(e, c): boto3.client(e['s']).describe()"),
        '10:5 script of step "a", line 2: .describe()',
    ),
    ("DOC101", "schemaVersion: 0.3\ndescription: x\nmainSteps:\n" + SLEEP, "1:1 schemaVersion is a number here"),
    ("DOC102", PARAMETERS + "\n" * 70_000, "1:1 the file has 70,"),
    ("DOC103", "schemaVersion: '0.3'\nmainSteps:\n" + SLEEP, "1:1 the document has no description"),
    (
        "DOC104",
        steps("- name: a\n  action: aws:pause\n  inputs: {Message: '%%NAME%%'}"),
        '1:1 place-holders such as "%%NAME%%"',
    ),
    (
        "LIM001",
        steps(
            "- name: a\n  action: aws:loop\n"
            "  inputs: {MaxIterations: 101, Iterators: [1], Steps: [{name: b, action: 'aws:pause'}]}"
        ),
        "7:12 MaxIterations must be between 1 and 100",
    ),
    (
        "LIM002",
        steps("- name: a\n  action: aws:loop\n  inputs: {Iterators: x, Steps: [{name: b, action: 'aws:pause'}]}"),
        "7:12 Iterators must be a list",
    ),
    (
        "LIM003",
        steps("- name: a\n  action: aws:executeAutomation\n  inputs: {DocumentName: Test}"),
        "7:12 the runbook starts itself",
    ),
    ("SCR001", script("def go("), '11:13 script of step "a", line 1: the script is not valid Python'),
    ("SCR002", script("def gone(): pass"), '11:7 script of step "a", line 1: the script has no function'),
    (
        "SCR003",
        script("def go(e, c):\n  match e:\n    case 1: pass", runtime="python3.9"),
        '13:23 script of step "a", line 3: python3.9 does not',
    ),
    (
        "SCR101",
        script("def go(e, c): pass\npassword = 'correct-horse'"),
        '12:18 script of step "a", line 2: "password" is written',
    ),
    ("SCR102", script("def go(e, c): eval(e)"), '11:21 script of step "a", line 1: eval() runs text'),
    ("SCR103", script("import os\ndef go(e, c): os.system(e)"), '12:21 script of step "a", line 2: os.system() gives'),
    (
        "SCR104",
        script("def go(e, c): return 'http://169.254.169.254/'"),
        '11:28 script of step "a", line 1: the address of the metadata',
    ),
    ("SCR105", script("def go(e, c): get(e, verify=False)"), '11:21 script of step "a", line 1: get(verify=False)'),
    ("SCR106", script("def go(e, c): e.objects.all().delete()"), '11:21 script of step "a", line 1: .all().delete()'),
    (
        "SCR107",
        script("def go(e, c): return {'Effect': 'Allow', 'Action': '*'}"),
        '11:28 script of step "a", line 1: a policy that allows',
    ),
    (
        "SCR108",
        script("def go(e, c): e.authorize_ingress(CidrIp='0.0.0.0/0')"),
        '11:21 script of step "a", line 1: a security group',
    ),
    (
        "SCR109",
        script("import pickle\ndef go(e, c): pickle.loads(e)"),
        '12:21 script of step "a", line 2: pickle.loads() runs',
    ),
    (
        "SCR110",
        "parameters:\n  Name: {type: String}\n" + script("def go(e, c): return '{{ Name }}'"),
        '13:29 script of step "a", line 1: {{ Name }} is put',
    ),
    ("SCR201", script("import socket\ndef go(e, c): pass"), '11:7 script of step "a", line 1: socket needs a network'),
    (
        "SCR202",
        script("import subprocess\ndef go(e, c): pass"),
        '11:7 script of step "a", line 1: subprocess starts programs',
    ),
    (
        "SCR301",
        script("import boto3\ndef go(e, c): boto3.client('ec2').stop_instance()"),
        '12:21 script of step "a", line 2: a client of ec2 has no method "stop_instance". Did',
    ),
    (
        "SCR900",
        steps("- name: a\n  action: aws:executeScript\n  inputs: {Runtime: PowerShell 7.4, Script: ls}"),
        '7:21 the script of step "a" is PowerShell',
    ),
]
