"""The subcommands of ``threadguard``, one module each; `threadguard.cli` lists them in one tuple."""
