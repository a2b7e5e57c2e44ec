"""The alarm door: SNS over HTTPS, SQS and EventBridge messages become Alarms."""
