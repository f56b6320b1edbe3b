// The tables of a new store in a database in memory, for tests that write rows and look at what lies there.
#pragma once

#include <gtest/gtest.h>

#include "node/store_tables.h"

namespace weft::node {

class TablesInMemory : public testing::Test {
 protected:
  void open(const std::string& path) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
    db_.reset(raw);
  }
  void SetUp() override {
    open(":memory:");
    ASSERT_TRUE(create_tables(db_.get()));
    ASSERT_TRUE(writer_.prepare_all(db_.get()));
  }
  void TearDown() override { writer_.close(); }
  std::vector<Write> rows(std::int64_t version = kStoreSchemaVersion) {
    std::vector<Write> out;
    EXPECT_TRUE(visit_rows(db_.get(), version, [&out](Write row) {
      out.push_back(std::move(row));
      return true;
    }));
    return out;
  }
  // The rows of a query as text, columns divided by bars.
  std::string shell(const std::string& sql) {
    std::string out;
    const Statement all = prepare(db_.get(), sql.c_str());
    if (!all) return sqlite3_errmsg(db_.get());
    while (sqlite3_step(all.get()) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(all.get()); ++i) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(all.get(), i));
        out += std::string(i > 0 ? "|" : "") + (text == nullptr ? "" : text);
      }
      out += "\n";
    }
    return out;
  }

  Db db_;
  TableWriter writer_;
};

}  // namespace weft::node
