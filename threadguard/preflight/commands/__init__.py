"""The commands of the servers, one module each; `threadguard.preflight.command_lines` lists them in one tuple."""
