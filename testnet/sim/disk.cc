#include "testnet/sim/disk.h"

#include <algorithm>

#include "dht/rows.h"
#include "gossip/state/state.h"

namespace weft::sim {
namespace {

using Rows = std::map<Bytes, Bytes>;

Rows::const_iterator first_value(const Rows& rows) { return rows.lower_bound(dht::value_erased({}).key); }
bool is_value(const Rows& rows, Rows::const_iterator it) {
  return it != rows.end() && it->first[0] == dht::kValueTable;
}

std::int64_t end_ms(const dht::ValueRow& row) {
  return row.wall_ms + 1000 * static_cast<std::int64_t>(row.remaining_s);
}

void load(const Rows& rows, const dht::LoadKeys& what, dht::Loaded& out) {
  Bytes from = {dht::kValueTable};
  from.insert(from.end(), what.first.bytes.begin(), what.first.bytes.end());
  std::optional<NodeId> last;
  for (auto it = rows.lower_bound(from); is_value(rows, it); ++it) {
    const auto slot = dht::slot_of_row(it->first);
    if (!slot || slot->key > what.last) break;
    if (out.rows.size() >= what.rows_max && last != slot->key) {
      out.more = true;
      break;
    }
    last = slot->key;
    out.rows.push_back({it->first, it->second, false});
  }
  if (!what.author) return;
  for (auto it = first_value(rows); is_value(rows, it) && out.of_author < what.author_max; ++it) {
    const auto slot = dht::slot_of_row(it->first);
    if (slot && slot->author == *what.author) ++out.of_author;
  }
}

void load(const Rows& rows, const dht::LoadEnded& what, dht::Loaded& out) {
  std::vector<std::pair<std::int64_t, Rows::const_iterator>> ends;
  for (auto it = first_value(rows); is_value(rows, it); ++it) {
    if (const auto row = dht::read_value_row(it->first, it->second)) ends.emplace_back(end_ms(*row), it);
  }
  std::ranges::sort(ends, {}, [](const auto& end) { return std::pair(end.first, end.second->first); });
  for (const auto& [at, it] : ends) {
    if (at > what.until_ms || out.rows.size() == what.rows_max) {
      out.next_end_ms = at;
      return;
    }
    out.rows.push_back({it->first, it->second, false});
  }
}

void load(const Rows& rows, const dht::LoadFarthest& what, dht::Loaded& out) {
  std::vector<Rows::const_iterator> region;
  for (auto it = first_value(rows); is_value(rows, it); ++it) region.push_back(it);
  for (std::size_t bit = 0; bit < 256 && region.size() > what.rows_max; ++bit) {
    const auto differs = [&](Rows::const_iterator it) {
      const std::uint8_t both = it->first[1 + bit / 8] ^ what.from.bytes[bit / 8];
      return (both >> (7 - bit % 8) & 1) != 0;
    };
    if (std::ranges::any_of(region, differs)) std::erase_if(region, [&](auto it) { return !differs(it); });
  }
  for (const auto it : region) {
    if (out.rows.size() == what.rows_max) return;
    out.rows.push_back({it->first, it->second, false});
  }
}

}  // namespace

dht::Loaded answer(const Rows& rows, const dht::Load& asked) {
  dht::Loaded out{.ticket = asked.ticket, .ok = true, .rows = {}, .more = false, .of_author = 0, .next_end_ms = {}};
  std::visit([&](const auto& what) { load(rows, what, out); }, asked.what);
  return out;
}

void erase_row(Rows& rows, const Bytes& key) {
  rows.erase(key);
  if (key.empty() || key[0] != state::kRowSpace) return;
  Bytes first = key;
  first[0] = state::kRowEntry;
  auto it = rows.lower_bound(first);
  while (it != rows.end() && it->first.size() > first.size() && std::equal(first.begin(), first.end(), it->first.begin())) it = rows.erase(it);
}

dht::HeldTotals held_totals(const Rows& rows) {
  dht::HeldTotals out;
  for (auto it = first_value(rows); is_value(rows, it); ++it) {
    const auto row = dht::read_value_row(it->first, it->second);
    if (!row) continue;
    ++out.values;
    out.bytes += row->blob.size();
  }
  return out;
}

}  // namespace weft::sim
