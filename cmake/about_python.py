"""What src/pyext/CMakeLists.txt asks the interpreter that it builds for, one answer a line; the last is its exact build."""

import sys
import sysconfig

print(sys.implementation.name)
print("{}.{}".format(*sys.version_info))
print(sysconfig.get_path("include"))
print(sysconfig.get_config_var("EXT_SUFFIX"))
print(sysconfig.get_platform().rpartition("-")[2])
print(" ".join(sys.version.split()))
