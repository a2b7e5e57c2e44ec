"""The application: doors for people and alarms, composed once in service.py."""
