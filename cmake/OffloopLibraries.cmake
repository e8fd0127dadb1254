# The two final libraries, liboffloop.a (offloop_static) and liboffloop.so (offloop_shared), from all rooms' objects.

get_property(rooms GLOBAL PROPERTY OFFLOOP_BUILT_ROOMS)
get_property(objects GLOBAL PROPERTY OFFLOOP_OBJECTS)
get_property(link_libs GLOBAL PROPERTY OFFLOOP_LINK_LIBS)
list(REMOVE_DUPLICATES link_libs)
if(NOT rooms)
    message(STATUS "no room has a CMakeLists.txt yet: no library is built")
    return()
endif()
message(STATUS "rooms: ${rooms}")

add_library(offloop_static STATIC ${objects})
add_library(offloop_shared SHARED ${objects})
add_library(Offloop::offloop ALIAS offloop_shared)
add_library(Offloop::offloop_static ALIAS offloop_static)

foreach(library IN ITEMS offloop_static offloop_shared)
    set_target_properties(${library} PROPERTIES
        OUTPUT_NAME offloop
        LINKER_LANGUAGE C
        ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib"
        LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
    target_include_directories(${library} PUBLIC
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
endforeach()

set_target_properties(offloop_static PROPERTIES EXPORT_NAME offloop_static)
target_link_libraries(offloop_static PUBLIC ${link_libs})

set_target_properties(offloop_shared PROPERTIES
    EXPORT_NAME offloop
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
# A user of the shared library needs none of these at build time, so they stay out of what is exported.
foreach(lib IN LISTS link_libs)
    target_link_libraries(offloop_shared PRIVATE $<BUILD_INTERFACE:${lib}>)
endforeach()
if(NOT OFFLOOP_SANITIZE) # the sanitizers' runtime is resolved in the program
    target_link_options(offloop_shared PRIVATE -Wl,--no-undefined)
endif()
