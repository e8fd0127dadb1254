# The compiler flags of our own code, as the INTERFACE target `offloop_flags`; sanitizers reach everything we compile.

add_library(offloop_flags INTERFACE)
target_compile_definitions(offloop_flags INTERFACE _GNU_SOURCE)
target_compile_options(offloop_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion)
if(OFFLOOP_WERROR)
    target_compile_options(offloop_flags INTERFACE -Werror)
endif()

# Assertions stay on in what we ship: a check of the calling thread costs one load and one compare.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

if(OFFLOOP_SANITIZE)
    add_compile_options(-fsanitize=${OFFLOOP_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${OFFLOOP_SANITIZE})
    if(OFFLOOP_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
