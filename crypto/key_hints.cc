#include "crypto/key_hints.h"

namespace weft::session {

std::size_t KeyHints::of(const NodeId& peer) const {
  const auto it = hints_.find(peer);
  return it == hints_.end() ? 0 : it->second.key_set;
}

void KeyHints::note(const NodeId& peer, std::size_t key_set) {
  if (const auto it = hints_.find(peer); it != hints_.end()) {
    by_age_.erase(it->second.age);
    hints_.erase(it);
  }
  if (key_set == 0) return;
  if (hints_.size() == kKeyHintsMax) {
    hints_.erase(by_age_.begin()->second);
    by_age_.erase(by_age_.begin());
  }
  hints_[peer] = {key_set, ++clock_};
  by_age_[clock_] = peer;
}

}  // namespace weft::session
