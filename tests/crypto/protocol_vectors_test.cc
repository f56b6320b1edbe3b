// The record vector of docs/PROTOCOL.md is what this code writes and reads.
#include <gtest/gtest.h>

#include <cstdlib>

#include "crypto/network.h"
#include "crypto/node_record.h"
#include "tests/vectors.h"

namespace weft {
namespace {

TEST(ProtocolVectors, TheRecordOfTheSpecIsOurs) {
  const auto v = vectors_of("PROTOCOL.md")["record"];
  ASSERT_TRUE(v.contains("seed"));
  SodiumProvider provider;
  const Identity identity(provider, *array_from_hex<32>(v.at("seed")));
  RecordFields fields;
  fields.number = std::strtoull(v.at("number").c_str(), nullptr, 10);
  fields.instance = std::strtoull(v.at("instance").c_str(), nullptr, 10);
  fields.endpoints = {*parse_endpoint(v.at("endpoint"))};
  fields.network = open_network(v.at("network")).id;
  fields.name = v.at("name");
  const std::string tag = v.at("tags");
  fields.tags[tag.substr(0, tag.find('='))] = tag.substr(tag.find('=') + 1);
  const RecordRef record = make_record(identity, fields);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(to_hex(identity.public_key().bytes), v.at("key"));
  EXPECT_EQ(to_string(identity.id()), v.at("id"));
  EXPECT_EQ(to_hex(record->wire), v.at("record"));

  const auto wire = from_hex(v.at("record"));
  ASSERT_TRUE(wire.has_value());
  const auto opened = open_record(provider, *wire);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ((*opened)->name, "alpha");
}

}  // namespace
}  // namespace weft
