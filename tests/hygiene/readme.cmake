# Fails when the program in the README is not the example that is built.
# Usage: cmake -DSOURCE=<root> -P readme.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${SOURCE}/README.md" readme)
file(READ "${SOURCE}/examples/01_three_sign.cpp" example)
string(FIND "${example}" "#include <deque>" begin)
string(SUBSTRING "${example}" ${begin} -1 program)
string(STRIP "${program}" program)
string(FIND "${readme}" "${program}" found)
if(found EQUAL -1)
    message(FATAL_ERROR "the README does not show examples/01_three_sign.cpp as it is")
endif()
