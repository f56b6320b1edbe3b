// Reading a key: ask towards it, take what holders show, end as soon as enough agree.
//
// Without `all` it ends when read_quorum (or the quorum asked for) holders have shown the same
// newest value of every author seen so far. Otherwise it ends when the lookup has converged: then a
// quorum that the user asked for must have been reached, the default one need not. With `all` each
// of the nearest holders is read to its last page. A holder whose values did not fit into its
// answer (early data of a handshake is short) is asked once more, in session.
//
// Around a crowded key (crowd.h) it does not end before the places beside it are read, or enough holders there agree with what was found.
//
// After the end, holders that showed an older value, or should have one and have none, are sent the
// newest in the background (read repair).
#pragma once

#include "dht/beside.h"
#include "dht/found_values.h"
#include "dht/operation.h"
#include "dht/walk.h"

namespace weft::dht {

// A get that finds nothing at the r closest asks this many times r before it says so: when a crowd
// has come in, the closest of before are not the closest any more and hand over only some seconds
// later. An absent key costs twice the requests.
inline constexpr std::size_t kWiderSearch = 2;

// Pages read from one holder, at least one value each.
inline constexpr std::size_t kPagesPerHolderMax = 128;
// Authors whose holders are repaired after one get.
inline constexpr std::size_t kRepairsPerGet = 8;

class GetOp final : public Operation {
 public:
  GetOp(OpId user, const NodeId& key, const GetOptions& options);

  void start(Now now, Core& core, Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                Output& out) override;
  void on_late(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_loaded(Now now, Core& core, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;

 private:
  struct Responder {
    std::optional<NodeId> after;  // the last author read
    std::size_t pages = 0;
    bool page_open = false;
    bool complete = false;        // everything it holds has been read
  };
  void look_here(Now now, Core& core);
  void take(Now now, Core& core, const Asked& asked, const Values& m, Output& out);
  void advance(Now now, Core& core, Output& out);
  bool enough() const;
  bool enough_asked() const;
  // There is nothing more to ask at the key itself.
  void settle(Now now, Core& core, bool converged, Output& out);
  void advance_beside(Now now, Core& core, Output& out);
  void ask_page(Core& core, const Target& to, const std::optional<NodeId>& after, Output& out);
  void complete(Now now, Core& core, bool converged, Output& out);
  void repair(Now now, Core& core, bool converged, Output& out);
  void fail(const OpFailure& failure, Output& out);

  NodeId dht_key_;
  GetOptions options_;
  std::size_t quorum_ = 0;
  bool widened_ = false;
  bool loading_ = false;  // what this node holds itself
  std::optional<Walk> walk_;
  std::optional<Beside> beside_;
  bool read_beside_ = false;  // at one place at least
  bool converged_ = false;    // the walk, before that
  FoundValues found_;
  std::map<NodeId, Responder> responders_;
  std::size_t pages_open_ = 0;
  std::size_t pages_total_ = 0;
};

}  // namespace weft::dht
