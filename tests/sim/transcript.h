// Conversations of whole nodes as text: commands run on a network in memory, and what every core
// took and asked for, line by line. The cheap provider leaves payloads readable, so a line tells
// what a packet says. Nothing random is printed: no macs, indices, tokens or digests.
//
//   0.000 n0 sends n1 INIT 256 early [Ping number 3]       milliseconds since the operation
//   1.000 n1 takes n0 INIT 256 early [Ping number 3]
//   1.000 n1 sends n0 RESP 108 [Ack number 2]
#pragma once

#include <map>
#include <string>

#include "testnet/sim/network.h"
#include "testnet/sim/teller.h"

namespace weft::sim {

class Transcript {
 public:
  // Runs the commands of a script (lines that start with "> ") and returns it with their output
  // in the place of what stood there; comments (#) and empty lines stay. Commands:
  //   nodes N [replicas R] [idle MS]   N nodes that have met and come to rest, untold
  //   run MS                           goes on for so long, and tells
  //   rest MS                          the same without telling
  //   ping A B | put A KEY VALUE | get A KEY | cancel A | leave A | crash A
  std::string play(const std::string& script);

 private:
  std::string command(const std::string& line);
  void form(std::size_t nodes, std::size_t replicas, std::size_t idle_ms);
  void tell(const SimNetwork::Step& step);

  std::unique_ptr<SimNetwork> net_;
  std::unique_ptr<Teller> teller_;
  std::map<std::size_t, OpId> last_op_;
  std::string told_;
  std::string input_;  // a deadline is told only if something came of it
  Instant zero_;
};

}  // namespace weft::sim
