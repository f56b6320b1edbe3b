// The lines of `weft up` on stdout and of GET /v1/events: one event, one line. Pure text.
//
// As JSON: {"event":"ready","id","name","listen","control","http","pid","t_ms"} comes first, then
// {"event":"member","id","name","address","from","to","incarnation","t_ms"} (from is null for a
// node seen for the first time), {"event":"endpoints","endpoints"}, {"event":"leaving","reason"},
// {"event":"state","what","namespace","author","number"} (what: forked, skewed, refused, cut_off or over_quota: docs/CONTROL.md), {"event":"stopped","reason"}. t_ms is unix wall time.
#pragma once

#include <string>
#include <string_view>

#include "node/shell_facts.h"

namespace weft::node {

struct EventText {
  std::string json;
  std::string plain;  // for people
};

EventText ready_event(const NodeCore& core, const ShellFacts& facts, Now now);
EventText member_event(const gossip::MemberChanged& change, Now now);
EventText endpoints_event(const EndpointsChanged& change, Now now);
EventText state_event(const state::StateNoticed& notice, std::string_view space, Now now);
EventText leaving_event(std::string_view reason, Now now);
EventText stopped_event(std::string_view reason, Now now);

}  // namespace weft::node
