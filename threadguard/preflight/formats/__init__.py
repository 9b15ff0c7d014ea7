"""The formats of configuration files, one module each; `threadguard.preflight.file_formats` lists them in one tuple."""
