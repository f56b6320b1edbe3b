// Who may ask over TCP, and what the answer with a page carries.
#include "node/web_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::node {
namespace {

using ::testing::HasSubstr;

ControlRequest asked(const std::string& path, const std::string& host, const std::string& origin = "", const std::string& site = "") {
  ControlRequest request{"GET", path, {}, "", /*over_tcp=*/true, host};
  request.origin = origin;
  request.fetch_site = site;
  request.at = "127.0.0.2:9400";
  return request;
}

TEST(WebGuard, HostMustBeALiteralOrLocalhost) {
  for (const auto* good : {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "[::1]",
                           "[::1]:80", "10.0.0.1:1"}) {
    EXPECT_TRUE(host_is_local_name(good)) << good;
  }
  for (const auto* bad : {"", "weft", "localhost.evil.com", "127.0.0.1.evil.com", "127.1", "::1",
                          "localhost:", "localhost:x", "[::1", "[::1]x", ":80", "[127.0.0.1]"}) {
    EXPECT_FALSE(host_is_local_name(bad)) << bad;
  }
}

TEST(WebGuard, OurHostIsOurAddressWithOurPort) {
  for (const auto* good : {"127.0.0.1:9400", "localhost:9400", "[::1]:9400"}) {
    EXPECT_TRUE(host_is_ours(good, "127.0.0.1:9400")) << good;
    EXPECT_TRUE(host_is_ours(good, "[::1]:9400")) << good;
  }
  EXPECT_TRUE(host_is_ours("127.0.0.2:9400", "127.0.0.2:9400"));
  for (const auto* bad : {"", "127.0.0.1", "localhost", "127.0.0.1:940", "127.0.0.1:94000", "127.0.0.3:9400", "LOCALHOST:9400", "evil.example:9400",
                          "127.0.0.1.evil.example:9400", ":9400", "127.0.0.1:9400 "}) {
    EXPECT_FALSE(host_is_ours(bad, "127.0.0.1:9400")) << bad;
  }
  EXPECT_TRUE(host_is_ours("localhost", "127.0.0.1:80"));
  EXPECT_TRUE(host_is_ours("127.0.0.1:80", "127.0.0.1:80"));
  // Where we do not listen nothing is ours.
  for (const auto* host : {"", "localhost", ":"}) EXPECT_FALSE(host_is_ours(host, "")) << host;
}

TEST(WebGuard, AnotherPageMayAskForNothing) {
  const std::string ours = "127.0.0.2:9400";
  EXPECT_FALSE(foreign(asked("/v1/status", ours)));
  EXPECT_FALSE(foreign(asked("/v1/status", ours, "http://127.0.0.2:9400", "same-origin")));
  EXPECT_FALSE(foreign(asked("/v1/status", ours, "", "none")));
  for (const auto* site : {"cross-site", "same-site"}) {
    EXPECT_TRUE(foreign(asked("/v1/status", ours, "", site)));
    EXPECT_FALSE(foreign(asked("/", ours, "", site)));
    EXPECT_FALSE(foreign(asked("/metrics", ours, "", site)));
  }
  for (const auto* origin : {"http://evil.example", "https://127.0.0.2:9400", "null", "http://127.0.0.2:9400.evil.example", "http://127.0.0.2"}) {
    for (const auto* path : {"/", "/metrics", "/v1/status"}) EXPECT_TRUE(foreign(asked(path, ours, origin))) << origin;
  }
  EXPECT_FALSE(foreign(asked("/metrics", "10.0.0.7:9400")));
  EXPECT_TRUE(foreign(asked("/metrics", "node.example:9400")));
  EXPECT_TRUE(foreign(asked("/", "10.0.0.7:9400")));
}

TEST(WebGuard, APageMayRunItsOwnScriptAlone) {
  const Page page{"<!doctype html>", "sha256-abc="};
  const ControlReply reply = page_reply(asked("/", "localhost:9400"), page);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.constant.data(), page.html.data()) << "it is sent from where it is";
  EXPECT_THAT(reply.content_type, HasSubstr("text/html"));
  EXPECT_THAT(reply.content_policy, HasSubstr("default-src 'none'; script-src 'sha256-abc='"));
  EXPECT_EQ(page_reply(asked("/", "localhost:9400"), {}).status, 404);
  ControlRequest post = asked("/", "localhost:9400");
  post.method = "POST";
  EXPECT_EQ(page_reply(post, page).status, 400);
}

}  // namespace
}  // namespace weft::node
