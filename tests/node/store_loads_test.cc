// Loads against a naive model, on tables whose keys are chosen to be hard; and the plans of the queries.
#include "node/store_loads.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "crypto/rng.h"
#include "node/store_tables.h"
#include "tests/node/rows_of_all_kinds.h"

namespace weft::node {
namespace {

struct Kept {
  Write row;
  std::int64_t end_ms = 0;
  PublicKey author;
};
using Model = std::map<dht::Slot, Kept>;

NodeId random_id(Rng& rng) {
  NodeId out;
  for (auto& byte : out.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  return out;
}
NodeId flipped(NodeId base, std::size_t bit) {
  base.bytes[bit / 8] = static_cast<std::uint8_t>(base.bytes[bit / 8] ^ (0x80U >> (bit % 8)));
  return base;
}
bool bit_of(const NodeId& id, std::size_t bit) { return (id.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0; }
NodeId key_of(const Write& row) {
  NodeId out;
  std::ranges::copy(ByteView(row.key).subspan(1, 32), out.bytes.begin());
  return out;
}

bool same(const Write& a, const Write& b) { return a.key == b.key && a.value == b.value && a.erase == b.erase; }

class Table {
 public:
  Table() {
    sqlite3* raw = nullptr;
    EXPECT_EQ(sqlite3_open(":memory:", &raw), SQLITE_OK);
    db_.reset(raw);
    EXPECT_TRUE(create_tables(raw));
    EXPECT_TRUE(writer_.prepare_all(raw));
    EXPECT_TRUE(reader_.prepare_all(raw));
  }
  ~Table() {
    writer_.close();
    reader_.close();
  }
  void put(const PublicKey& author, const NodeId& key, std::size_t bytes, std::uint32_t remaining_s,
           std::int64_t node_ms) {
    const Write row = held_row_by(author, key, Bytes(bytes, 7), remaining_s, node_ms);
    EXPECT_TRUE(writer_.apply(row));
    model[{key, node_id_of(author)}] = {row, node_ms + 1000 * std::int64_t{remaining_s}, author};
  }
  void erase(const dht::Slot& slot) {
    EXPECT_TRUE(writer_.apply(dht::value_erased(slot)));
    model.erase(slot);
  }
  template <class What>
  dht::Loaded ask(const What& what) {
    std::string why;
    dht::Loaded loaded = reader_.answer({.ticket = Ticket{++tickets_}, .what = what}, why);
    EXPECT_TRUE(loaded.ok) << why;
    EXPECT_EQ(loaded.ticket, Ticket{tickets_});
    return loaded;
  }
  sqlite3* db() { return db_.get(); }
  const LoadReader& reader() const { return reader_; }

  Model model;

 private:
  Db db_;
  TableWriter writer_;
  LoadReader reader_;
  std::uint64_t tickets_ = 0;
};

// ---- the naive answers

std::vector<Write> rows_in(const Model& model, const NodeId& first, const NodeId& last) {
  std::vector<Write> rows;
  for (const auto& [slot, kept] : model) {
    if (slot.key >= first && slot.key <= last) rows.push_back(kept.row);
  }
  return rows;
}

void expect_same(const std::vector<Write>& found, const std::vector<Write>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(same(found[i], expected[i])) << i;
}

void check_keys(Table& table, const NodeId& first, const NodeId& last, std::size_t rows_max, const NodeId& author) {
  const dht::Loaded loaded =
      table.ask(dht::LoadKeys{.first = first, .last = last, .rows_max = rows_max, .author = author, .author_max = 5});
  std::vector<Write> expected = rows_in(table.model, first, last);
  const std::size_t all = expected.size();
  std::size_t given = std::min(all, std::max<std::size_t>(rows_max, 1));
  while (given > 0 && given < all && key_of(expected[given]) == key_of(expected[given - 1])) ++given;
  expected.resize(given);
  expect_same(loaded.rows, expected);
  EXPECT_EQ(loaded.more, given < all);
  std::size_t of_author = 0;
  for (const auto& [slot, kept] : table.model) of_author += slot.author == author ? 1U : 0U;
  EXPECT_EQ(loaded.of_author, std::min<std::size_t>(of_author, 5));
  EXPECT_EQ(loaded.next_end_ms, std::nullopt);
}

void check_ended(Table& table, std::int64_t until_ms, std::size_t rows_max) {
  const dht::Loaded loaded = table.ask(dht::LoadEnded{.until_ms = until_ms, .rows_max = rows_max});
  std::vector<std::int64_t> ends;
  for (const auto& [slot, kept] : table.model) ends.push_back(kept.end_ms);
  std::ranges::sort(ends);
  std::size_t given = 0;
  while (given < ends.size() && given < rows_max && ends[given] <= until_ms) ++given;
  ASSERT_EQ(loaded.rows.size(), given);
  std::set<Bytes> seen;
  for (std::size_t i = 0; i < given; ++i) {  // of those that end at once, any
    const auto row = dht::read_value_row(loaded.rows[i].key, loaded.rows[i].value);
    ASSERT_TRUE(row);
    const Kept& kept = table.model.at({row->key, row->author});
    ASSERT_TRUE(same(loaded.rows[i], kept.row));
    ASSERT_EQ(kept.end_ms, ends[i]);
    ASSERT_TRUE(seen.insert(loaded.rows[i].key).second);
  }
  EXPECT_EQ(loaded.next_end_ms, given < ends.size() ? std::optional(ends[given]) : std::nullopt);
}

void check_farthest(Table& table, const NodeId& from, std::size_t rows_max) {
  const dht::Loaded loaded = table.ask(dht::LoadFarthest{.from = from, .rows_max = rows_max});
  std::vector<Write> region;
  for (const auto& [slot, kept] : table.model) region.push_back(kept.row);
  for (std::size_t bit = 0; bit < 256 && region.size() > rows_max; ++bit) {
    std::vector<Write> far;
    std::vector<Write> near;
    for (const Write& row : region) {
      (bit_of(key_of(row), bit) != bit_of(from, bit) ? far : near).push_back(row);
    }
    region = far.empty() ? near : far;
  }
  if (region.size() > rows_max) region.resize(rows_max);
  expect_same(loaded.rows, region);
  if (!table.model.empty()) {
    EXPECT_FALSE(loaded.rows.empty());
  }
  // What is promised, in the words of the promise.
  const auto given = by_key(loaded.rows);
  for (const Write& row : loaded.rows) {
    for (const auto& [slot, kept] : table.model) {
      if (given.contains(kept.row.key) || slot.key == key_of(row)) continue;
      ASSERT_GT(distance(from, key_of(row)), distance(from, slot.key));
    }
  }
}

struct Pattern {
  const char* name;
  std::size_t rows;
  std::function<NodeId(Rng&, const NodeId& base)> key;
};
const Pattern kPatterns[] = {
    {"anywhere", 300, [](Rng& rng, const NodeId&) { return random_id(rng); }},
    {"one key", 40, [](Rng&, const NodeId& base) { return base; }},
    {"few keys, many authors", 300,
     [](Rng& rng, const NodeId& base) { return flipped(base, 60 * rng.below(4)); }},
    {"at every depth", 300, [](Rng& rng, const NodeId& base) { return flipped(base, rng.below(256)); }},
    {"at every depth, both sides", 300,
     [](Rng& rng, const NodeId& base) { return flipped(flipped(base, rng.below(2)), rng.below(256)); }},
    {"deep down", 200,
     [](Rng& rng, const NodeId& base) {
       NodeId out = base;
       out.bytes[31] = static_cast<std::uint8_t>(rng.below(256));
       return out;
     }},
    {"the ends", 30,
     [](Rng& rng, const NodeId&) { return flipped(rng.below(2) == 0 ? id(0) : id(0xff), rng.below(2) * 255); }},
    {"nothing", 0, [](Rng&, const NodeId& base) { return base; }},
};

TEST(StoreLoads, AnswerLikeTheModel) {
  for (const Pattern& pattern : kPatterns) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(std::string(pattern.name) + ", seed " + std::to_string(seed));
      Rng rng(seed);
      Table table;
      const NodeId base = random_id(rng);
      std::vector<PublicKey> authors(12);
      for (PublicKey& author : authors) author.bytes = random_id(rng).bytes;
      std::vector<NodeId> keys = {base, {}, id(0xff), random_id(rng)};
      for (std::size_t i = 0; i < pattern.rows; ++i) {
        keys.push_back(pattern.key(rng, base));
        table.put(authors[rng.below(authors.size())], keys.back(), rng.below(300),
                  static_cast<std::uint32_t>(rng.below(50)), static_cast<std::int64_t>(1000 * rng.below(30)));
        if (rng.below(5) == 0) {
          auto gone = table.model.begin();
          std::advance(gone, rng.below(table.model.size()));
          table.erase(gone->first);
        }
      }
      const auto any_key = [&] { return keys[rng.below(keys.size())]; };
      for (int i = 0; i < 30; ++i) {
        const std::size_t rows_max = i % 4 == 0 ? 1 : 1 + rng.below(40);
        const NodeId author = node_id_of(authors[rng.below(authors.size())]);
        const NodeId key = any_key();
        check_keys(table, key, key, rows_max, author);
        check_keys(table, any_key(), any_key(), rows_max, author);
        check_keys(table, {}, id(0xff), rows_max, random_id(rng));
        check_ended(table, static_cast<std::int64_t>(rng.below(90'000)), rows_max);
        check_farthest(table, any_key(), rows_max);
        check_farthest(table, random_id(rng), rows_max);
        if (testing::Test::HasFatalFailure()) return;
      }
      check_ended(table, INT64_MAX, 1000);
      check_farthest(table, base, 1000);
      EXPECT_EQ(table.reader().rotten_total(), 0U);
    }
  }
}

// Rows that nobody wrote here: left out, counted, and in nobody's way.
TEST(StoreLoads, RottenRowsAreLeftOut) {
  Rng rng(5);
  Table table;
  for (std::uint8_t i = 0; i < 20; ++i) table.put({random_id(rng).bytes}, id(i), 10, 10, 1000 * i);
  const auto rot = [&](const char* sql) { ASSERT_TRUE(run(table.db(), sql)) << sqlite3_errmsg(table.db()); };
  rot("UPDATE held SET value = zeroblob(70000) WHERE rowid = 3");
  rot("UPDATE held SET key = x'0505' WHERE rowid = 6");
  rot("UPDATE held SET author = x'01' WHERE rowid = 8");
  rot("UPDATE held SET key = 'text' WHERE rowid = 10");
  rot("UPDATE held SET key = key || x'00' WHERE rowid = 12");
  rot("UPDATE held SET key = 4.5, written_ms = 'x', remaining_s = 'y', value = 'z' WHERE rowid = 14");
  for (const std::uint8_t gone : std::initializer_list<std::uint8_t>{2, 5, 7, 9, 11, 13}) {
    std::erase_if(table.model, [&](const auto& each) { return each.first.key == id(gone); });
  }
  const NodeId nobody = id(0x77);
  for (std::size_t rows_max = 1; rows_max < 25; ++rows_max) {
    check_keys(table, {}, id(0xff), rows_max, nobody);
    check_ended(table, 15'000, rows_max);
    check_ended(table, 1'000'000, rows_max);
    const dht::Loaded far = table.ask(dht::LoadFarthest{.from = {}, .rows_max = rows_max});
    EXPECT_TRUE(!far.rows.empty() && key_of(far.rows.back()) == id(19));
  }
  EXPECT_GT(table.reader().rotten_total(), 20U);
}

TEST(StoreLoads, UseTheIndexes) {
  Table table;
  std::string plans;
  for (const char* sql : load_statements()) {
    const Statement plan = prepare(table.db(), (std::string("EXPLAIN QUERY PLAN ") + sql).c_str());
    ASSERT_TRUE(plan) << sql;
    while (sqlite3_step(plan.get()) == SQLITE_ROW) plans += std::string(as_text(column_bytes(plan.get(), 3))) + "\n";
  }
  EXPECT_EQ(plans,
            "SEARCH held USING INDEX sqlite_autoindex_held_1 (key>? AND key<?)\n"
            "CO-ROUTINE (subquery-1)\nSEARCH held USING COVERING INDEX held_by_author (author=?)\nSCAN (subquery-1)\n"
            "SCAN held USING INDEX held_by_end\n"
            "SEARCH held USING COVERING INDEX sqlite_autoindex_held_1 (key>? AND key<?)\n"
            "SEARCH held USING COVERING INDEX sqlite_autoindex_held_1 (key>? AND key<?)\n"
            "CO-ROUTINE (subquery-1)\n"
            "SEARCH held USING COVERING INDEX sqlite_autoindex_held_1 (key>? AND key<?)\nSCAN (subquery-1)\n");
}

}  // namespace
}  // namespace weft::node
