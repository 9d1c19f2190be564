# Fails when a header does not include core/version.hpp, directly or through another; when a compiler that is set to C++17
# says more than what to do; or when CHANGELOG.md does not know the version.
# Usage: cmake -DSOURCE=<root> -DCXX=<compiler> -DVERSION=<of CMake> -P version.cmake
cmake_minimum_required(VERSION 3.25)

# Includes have no cycles, so every header reaches version.hpp when none but that one includes nothing of muster.
set(root "${SOURCE}/include/muster")
file(GLOB_RECURSE headers RELATIVE "${root}" "${root}/*.hpp")
list(REMOVE_ITEM headers core/version.hpp)
foreach(header IN LISTS headers)
    file(STRINGS "${root}/${header}" includes REGEX "^#include <muster/")
    if(NOT includes)
        message(SEND_ERROR "${header}: includes no other header of muster; it must include core/version.hpp")
    endif()
endforeach()

foreach(header IN ITEMS core/bytes.hpp cache/cache.hpp signing/coordinator.hpp)
    execute_process(COMMAND ${CXX} -std=c++17 -fsyntax-only -I "${SOURCE}/include" -x c++ "${root}/${header}"
        RESULT_VARIABLE code ERROR_VARIABLE output OUTPUT_QUIET)
    string(REGEX MATCHALL "error: " errors "${output}")
    list(LENGTH errors count)
    if(code EQUAL 0 OR NOT output MATCHES "muster needs C\\+\\+20: compile with -std=c\\+\\+20" OR count GREATER 3)
        message(SEND_ERROR "${header} under C++17: ${count} errors instead of one sentence: ${output}")
    endif()
endforeach()

file(READ "${SOURCE}/CHANGELOG.md" changes)
if(NOT changes MATCHES "\n## ${VERSION}[ \n]")
    message(SEND_ERROR "CHANGELOG.md says nothing of version ${VERSION}")
endif()
