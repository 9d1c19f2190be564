# Fails when the page does not show the program as it is, from its first import on.
# Usage: cmake -DDOCS=<page> -DSHOWN=<program> -P shown.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${DOCS}" page)
file(READ "${SHOWN}" program)
string(FIND "${program}" "import " begin)
string(SUBSTRING "${program}" ${begin} -1 program)
string(STRIP "${program}" program)
string(FIND "${page}" "${program}" found)
if(found EQUAL -1)
    message(FATAL_ERROR "${DOCS} does not show ${SHOWN} as it is")
endif()
