#include "testnet/digest_poll.h"

#include <nlohmann/json.hpp>

namespace weft::testnet {

void DigestPoll::advance(MonoTime now) {
  if (running_ && running_->answered + running_->failed == running_->asked) last_ = *std::exchange(running_, nullptr);
  if (running_ || (begun_ && now < *begun_ + kRoundEvery)) return;
  begun_ = now;
  const auto round = std::make_shared<Round>();
  const auto done = [round](const CallResult& result) {
    const auto answer = nlohmann::json::parse(result.response.body, nullptr, /*allow_exceptions=*/false);
    const bool well = result.status == CallStatus::kAnswered && result.response.status == 200 && answer.is_object() &&
                      answer.contains("digest") && answer["digest"].is_string();
    if (!well) {
      ++round->failed;
      return;
    }
    const auto digest = answer["digest"].get<std::string>();
    if (round->answered++ == 0) round->first = digest;
    round->differs = round->differs || digest != round->first;
  };
  for (const std::size_t i : fleet_.indices(Run::kRunning)) {
    ++round->asked;
    if (!calls_.submit({layout_.control(i), {"GET", "/v1/state/digest?space=" + space_, {}}, Milliseconds(5000), done})) ++round->failed;
  }
  running_ = round;
}

std::optional<bool> DigestPoll::equal(std::size_t least) const {
  if (!last_ || last_->asked < least) return std::nullopt;
  return last_->failed == 0 && !last_->differs;
}

}  // namespace weft::testnet
