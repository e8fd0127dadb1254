# How tests are declared, in tests/<room>/CMakeLists.txt.
#
#   offloop_test(pool_queue SOURCES queue_test.c ROOMS pool [LIBS ...] [WRAP pthread_create ...] [TIMEOUT 60])
#
# A cmocka program (target and file test_pool_queue) that links only ROOMS, the rooms below them, and tests/support/*.c,
# included as "support/gate.h". WRAP gives the test __wrap_<symbol>/__real_<symbol> (the linker's --wrap). TIMEOUT is in
# seconds. A room that is not built (yet) skips its test, with a word.
#
#   offloop_test_program(serve_starts COMMAND $<TARGET_FILE:offloop_program> --version [TIMEOUT 60] [ENVIRONMENT A=b])
#
# A test of a whole program: any command; exit status 0 is a pass. The environment tells it where things are:
# OFFLOOP_PROGRAM, OFFLOOP_BUILD_DIR, OFFLOOP_SOURCE_DIR.
#
# Every test is labelled with its folder: `./dev test -L pool` runs the tests of one room, `-R name` those that match.

# What the sanitizers' runtimes are told; an unused variable does no harm. With use_madv_dontdump ThreadSanitizer splits its
# memory of each fiber into six mappings, and 10,000 fibers pass the kernel's 65,530 for a process; without it, two.
set(OFFLOOP_TEST_ENVIRONMENT
    "OFFLOOP_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "OFFLOOP_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "OFFLOOP_PROGRAM=${PROJECT_BINARY_DIR}/offloop"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:detect_leaks=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=4:use_madv_dontdump=0")

file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.c")
add_library(test_support STATIC ${support})
target_include_directories(test_support PUBLIC
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(test_support PRIVATE offloop_flags PUBLIC PkgConfig::CMOCKA Threads::Threads)

function(offloop_test_properties name timeout)
    get_filename_component(label "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${timeout} LABELS ${label} ENVIRONMENT "${OFFLOOP_TEST_ENVIRONMENT};${ARGN}")
endfunction()

function(offloop_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;ROOMS;LIBS;WRAP")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
        message(FATAL_ERROR "offloop_test(${name}): needs SOURCES; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    foreach(room IN LISTS arg_ROOMS)
        if(NOT TARGET room_${room})
            message(WARNING "test ${name} is left out: room ${room} is not built")
            return()
        endif()
    endforeach()
    list(TRANSFORM arg_ROOMS PREPEND "room_" OUTPUT_VARIABLE rooms)
    list(TRANSFORM arg_WRAP PREPEND "-Wl,--wrap=" OUTPUT_VARIABLE wraps)

    add_executable(test_${name} ${arg_SOURCES})
    target_link_libraries(test_${name} PRIVATE offloop_flags test_support ${rooms} ${arg_LIBS})
    target_link_options(test_${name} PRIVATE ${wraps})
    add_test(NAME ${name} COMMAND test_${name})
    offloop_test_properties(${name} ${arg_TIMEOUT})
endfunction()

function(offloop_test_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "COMMAND;ENVIRONMENT")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_COMMAND)
        message(FATAL_ERROR "offloop_test_program(${name}): needs COMMAND; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    offloop_test_properties(${name} ${arg_TIMEOUT} ${arg_ENVIRONMENT})
endfunction()
