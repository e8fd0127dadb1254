# How rooms and programs are declared.
#
#   offloop_room(pool SOURCES pool.c queue.c ROOMS base loop [LIBS SQLite::SQLite3])
#
# in pool/CMakeLists.txt. SOURCES are the room's files, ROOMS the rooms below it that it may call, LIBS the imported
# targets it stands on (Libev::Libev, SQLite::SQLite3, CURL::libcurl, Llhttp::Llhttp). It makes
#
#   ol_pool_objects   the objects, from which the final libraries are made
#   room_pool         a static archive that links room_<below> and LIBS: a test of one room links that room and those
#                     below it, so the linker enforces the arrows too
#
# Rooms include public headers as <offloop/pool.h> and internal ones as "loop/inbox.h".
#
#   offloop_program(offloop_program SOURCES main.c serve.c [OUTPUT offloop] [FOLDER .] [LIBS handlers PkgConfig::JANSSON])
#
# A program on top of the finished library (offloop_static). OUTPUT is the file's name (default: the target's), FOLDER
# where it lands below the build folder (default: the same folder as in the source tree; "." is the build folder itself).

function(offloop_add_folder folder)
    # The glob, unlike if(EXISTS), is looked at again by the next build when the folder's file appears later.
    file(GLOB found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
    if(found)
        add_subdirectory(${folder})
    endif()
endfunction()

function(offloop_room name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;ROOMS;LIBS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
        message(FATAL_ERROR "offloop_room(${name}): needs SOURCES; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()

    # A library that comes as objects (the packaged llhttp sources) goes into the archive; the others are linked.
    set(link_libs Threads::Threads)
    set(extra_objects)
    foreach(lib IN LISTS arg_LIBS)
        get_target_property(type ${lib} TYPE)
        if(type STREQUAL "OBJECT_LIBRARY")
            list(APPEND extra_objects $<TARGET_OBJECTS:${lib}>)
        else()
            list(APPEND link_libs ${lib})
        endif()
    endforeach()

    add_library(ol_${name}_objects OBJECT ${arg_SOURCES})
    target_include_directories(ol_${name}_objects PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}")
    target_link_libraries(ol_${name}_objects PRIVATE offloop_flags Threads::Threads ${arg_LIBS})

    list(TRANSFORM arg_ROOMS PREPEND "room_" OUTPUT_VARIABLE below)
    add_library(room_${name} STATIC $<TARGET_OBJECTS:ol_${name}_objects> ${extra_objects})
    set_target_properties(room_${name} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(room_${name} PUBLIC ${below} ${link_libs})

    set_property(GLOBAL APPEND PROPERTY OFFLOOP_BUILT_ROOMS ${name})
    set_property(GLOBAL APPEND PROPERTY OFFLOOP_OBJECTS $<TARGET_OBJECTS:ol_${name}_objects> ${extra_objects})
    set_property(GLOBAL APPEND PROPERTY OFFLOOP_LINK_LIBS ${link_libs})
endfunction()

function(offloop_program target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT;FOLDER" "SOURCES;LIBS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
        message(FATAL_ERROR "offloop_program(${target}): needs SOURCES; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    add_executable(${target} ${arg_SOURCES})
    # The source root is on the path for "handlers/..." only; the arrow test refuses a room's header here.
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} PRIVATE offloop_flags offloop_static ${arg_LIBS})
    if(arg_OUTPUT)
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${arg_OUTPUT})
    endif()
    if(arg_FOLDER)
        set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${arg_FOLDER}")
    endif()
endfunction()
