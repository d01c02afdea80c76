"""Having a running interpreter run a file of Python code: by sys.remote_exec, or by a debugger."""
