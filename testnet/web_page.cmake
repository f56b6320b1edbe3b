# Makes OUT, a C++ file with the pages of PAGE_DIR (page.html and node.html, each with its .csp, report.html; empty if they could not be made).
# cmake -DSOURCE=testnet/web -DPAGE_DIR=DIR -DNODE=... -DNPM=... -DTESTS=ON|OFF -DOUT=FILE -P web_page.cmake
# TESTS: fetch what only tests need, too.
#
# The page is bundled in PAGE_DIR, not in the source tree: a build leaves no file there. What npm fetched is kept until the lock file
# changes. Without npm, or where it cannot fetch, weft is built without its page and says so.
function(bundle result)
  set(${result} "" PARENT_SCOPE)
  if(NOT NODE OR NOT NPM)
    set(${result} "there is no npm, or WEFT_PAGE is off" PARENT_SCOPE)
    return()
  endif()
  file(MAKE_DIRECTORY ${PAGE_DIR})
  foreach(item package.json package-lock.json .npmrc tsconfig.json build.mjs src)
    if(EXISTS ${SOURCE}/${item})
      file(REMOVE_RECURSE ${PAGE_DIR}/${item})
      file(COPY ${SOURCE}/${item} DESTINATION ${PAGE_DIR})
    endif()
  endforeach()
  file(SHA256 ${SOURCE}/package-lock.json lock)
  set(less --omit=dev)
  if(TESTS)
    set(less "")
    string(APPEND lock " with tests")
  endif()
  set(had "")
  if(EXISTS ${PAGE_DIR}/installed)
    file(READ ${PAGE_DIR}/installed had)
  endif()
  if(NOT had STREQUAL lock)
    file(REMOVE ${PAGE_DIR}/installed)  # what is there may be half
    execute_process(COMMAND ${NPM} ci ${less} --ignore-scripts --no-audit --no-fund --loglevel=error WORKING_DIRECTORY ${PAGE_DIR}
                    RESULT_VARIABLE status ERROR_VARIABLE error OUTPUT_QUIET TIMEOUT 180)
    if(NOT status EQUAL 0)
      set(${result} "npm ci failed: ${error}" PARENT_SCOPE)
      return()
    endif()
    file(WRITE ${PAGE_DIR}/installed ${lock})
  endif()
  execute_process(COMMAND ${NODE} build.mjs ${PAGE_DIR}/page.html WORKING_DIRECTORY ${PAGE_DIR}
                  RESULT_VARIABLE status ERROR_VARIABLE error OUTPUT_QUIET TIMEOUT 120)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "the page cannot be bundled: ${error}")
  endif()
endfunction()

bundle(trouble)
set(html "")
set(report "")
set(hash "")
set(node_html "")
set(node_hash "")
if(trouble)
  message(NOTICE "weft is built without its pages: ${trouble}")
else()
  file(READ ${PAGE_DIR}/page.html html HEX)
  file(READ ${PAGE_DIR}/page.html.csp hash)
  string(REGEX REPLACE "(..)" "0x\\1," html "${html}")
  file(READ ${PAGE_DIR}/report.html report HEX)
  string(REGEX REPLACE "(..)" "0x\\1," report "${report}")
  file(READ ${PAGE_DIR}/node.html node_html HEX)
  string(REGEX REPLACE "(..)" "0x\\1," node_html "${node_html}")
  file(READ ${PAGE_DIR}/node.html.csp node_hash)
endif()
file(WRITE ${OUT} "#include \"testnet/page.h\"
namespace weft::testnet {
namespace {
constexpr unsigned char kHtml[] = {${html}0};
constexpr unsigned char kReport[] = {${report}0};
constexpr unsigned char kNode[] = {${node_html}0};
}
std::string_view page_html() { return {reinterpret_cast<const char*>(kHtml), sizeof kHtml - 1}; }
std::string_view report_html() { return {reinterpret_cast<const char*>(kReport), sizeof kReport - 1}; }
std::string_view page_script_hash() { return \"${hash}\"; }
std::string_view node_page_html() { return {reinterpret_cast<const char*>(kNode), sizeof kNode - 1}; }
std::string_view node_page_script_hash() { return \"${node_hash}\"; }
}  // namespace weft::testnet
")
if(trouble AND NPM)
  # Older than what it depends on: the next build tries again.
  execute_process(COMMAND touch -d @1 ${OUT})
endif()
