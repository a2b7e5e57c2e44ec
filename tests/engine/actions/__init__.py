"""Every action, alone: what it asks of AWS, what it waits for, how it fails, what a crash costs."""
