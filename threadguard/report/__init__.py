"""The only code that formats: findings as text, the log, machine-readable forms."""
