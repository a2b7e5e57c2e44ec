"""The door that speaks SSM's API: AWS JSON 1.1, so that boto3, the aws CLI and every AWS tool work against us."""
