# Usage: cmake -DSOURCE= -DBUILD= -DCXX= -DSCRATCH= -DGENERATOR= -P consume.cmake
cmake_minimum_required(VERSION 3.25)

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT code EQUAL 0)
        message(FATAL_ERROR "failed: ${ARGN}\n${output}")
    endif()
endfunction()

# consume(<way> <cmake argument>...): configures, builds and runs the consumer.
function(consume way)
    set(build "${SCRATCH}/${way}")
    run(${CMAKE_COMMAND} -S "${SOURCE}/tests/packaging/consumer" -B "${build}" -G "${GENERATOR}"
        -DCMAKE_CXX_COMPILER=${CXX} -DWAY=${way} ${ARGN})
    run(${CMAKE_COMMAND} --build "${build}")
    run("${build}/consumer")
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${SCRATCH}/prefix")

consume(find_package "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix")
consume(add_subdirectory "-DMUSTER_SOURCE=${SOURCE}")

# A component that was not installed is named, not stumbled over.
execute_process(COMMAND ${CMAKE_COMMAND} -S "${SOURCE}/tests/packaging/consumer" -B "${SCRATCH}/missing" -G "${GENERATOR}"
    -DCMAKE_CXX_COMPILER=${CXX} -DWAY=missing "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix"
    RESULT_VARIABLE code OUTPUT_QUIET ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output "${output}")
if(code EQUAL 0 OR NOT output MATCHES "muster was installed without component 'attic'")
    message(FATAL_ERROR "a missing component is not reported: ${output}")
endif()

# Without CMake: flags from pkg-config alone.
set(ENV{PKG_CONFIG_PATH} "${SCRATCH}/prefix/share/pkgconfig")
execute_process(COMMAND pkg-config --cflags --libs muster OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CXX} -std=c++20 "${SOURCE}/tests/packaging/consumer/main.cpp" -o "${SCRATCH}/by_pkg_config" ${flags})
run("${SCRATCH}/by_pkg_config")
