// A testnet that runs, as a page is shown it: what the supervisor knows of its children. One thread.
#pragma once

#include "testnet/shown.h"
#include "testnet/testbed.h"

namespace weft::testnet {

class ShownTestbed : public Shown {
 public:
  // `testbed` must outlive it.
  explicit ShownTestbed(const Testbed& testbed) : testbed_(testbed) {}

  std::int64_t t_ms(MonoTime now) const override { return ms_between(begun_, now); }
  std::string network() const override { return testbed_.network; }
  std::string dir() const override { return testbed_.fleet.layout().dir; }
  std::size_t size() const override { return testbed_.fleet.size(); }
  Run run(std::size_t i) const override { return testbed_.fleet.node(i).run; }
  std::size_t starts(std::size_t i) const override { return testbed_.fleet.node(i).starts; }
  ShownNode node(std::size_t i) const override;
  std::vector<bool> present() const override { return testbed_.fleet.present(); }
  void sights(std::size_t observer, std::span<Sight> row) const override;
  ShownWhole whole() const override;
  const std::optional<Rates>& rates() const override { return meter.rates(); }

  RateMeter meter;
  bool churning = false;  // a churn of the page's goes on

 private:
  const Testbed& testbed_;
  const MonoTime begun_ = mono_now();
};

}  // namespace weft::testnet
