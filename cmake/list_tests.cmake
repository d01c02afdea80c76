# Writes to LIST what CTest is to run of the tests that PROGRAM knows; see ctm_test in CMakeLists.txt.
#
# PROGRAM --list prints a heading and "  NAME" for each. LAUNCHER: words before the program, separated by semicolons.
cmake_minimum_required(VERSION 3.24)
execute_process(COMMAND ${PROGRAM} --list OUTPUT_VARIABLE printed RESULT_VARIABLE status)
if(status)
  message(FATAL_ERROR "${PROGRAM} --list: ${status}")
endif()
string(REGEX MATCHALL "\n  [a-zA-Z0-9_]+" tests "${printed}")
if(NOT tests)
  message(FATAL_ERROR "${PROGRAM} has no tests")
endif()
string(REPLACE ";" "\" \"" launcher "${LAUNCHER}")
if(launcher)
  set(launcher "\"${launcher}\"")
endif()
set(text "")
set(environment "")
# ENVIRONMENT: what the tests find in theirs.
if(ENVIRONMENT)
  set(environment " ENVIRONMENT ${ENVIRONMENT}")
endif()
foreach(test IN LISTS tests)
  string(STRIP "${test}" test)
  string(REGEX REPLACE "^test_" "" short ${test})
  # The skip's line is acutest's; its status is 0.
  string(APPEND text "add_test(${NAME}.${short} ${launcher} \"${PROGRAM}\" --no-exec --no-summary ${test})\n"
         "set_tests_properties(${NAME}.${short} PROPERTIES TIMEOUT ${TIMEOUT}${environment}"
         " SKIP_REGULAR_EXPRESSION \"\\\\[ SKIPPED \\\\]\")\n")
endforeach()
file(WRITE ${LIST} "${text}")
