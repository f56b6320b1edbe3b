#include "node/weft.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "crypto/endpoint.h"
#include "node/embedded_node.h"
#include "node/weft_replies.h"
#include "node/weft_requests.h"

namespace weft {

static_assert(kCallsMax == node::kEmbeddedCallsMax);

struct Node::Inside {
  std::shared_ptr<node::EmbeddedNode> node;
  std::string home;
  node::Place place;
};

namespace {

using What = StateChange::What;
using node::ControlReply;

template <class T>
using Read = Result<T> (*)(const ControlReply&);

ControlReply moved_from() { return node::to_reply({"shutdown", "this Node was moved from"}); }

StateChange written(What what, std::string_view value) {
  return {.what = what, .path = {}, .value = std::string(value), .amount = 0};
}

// The form of every call that waits. The Inside is held on to: the Node may go meanwhile.
template <class T, class Inside>
Result<T> wait_for(Inside inside, node::AskedOr asked, Read<T> read) {
  if (inside == nullptr) return read(moved_from());
  if (!asked) return std::unexpected(std::move(asked.error()));
  return read(inside->node->ask(std::move(asked->request), asked->deadline + kGrace));
}

// The form of every call that does not.
template <class T, class Inside>
void call(const Inside& inside, node::AskedOr asked, Read<T> read, Then<T> then) {
  if (!then) then = [](Result<T>&&) {};
  if (inside == nullptr) return then(read(moved_from()));
  if (!asked) return then(std::unexpected(std::move(asked.error())));
  inside->node->call(std::move(asked->request),
                     [read, then = std::move(then)](const ControlReply& reply) {
                       Result<T> result = read(reply);
                       then(std::move(result));
                     });
}

std::unexpected<Failure> refuse(std::string message) { return std::unexpected(Failure{Code::kBadRequest, std::move(message)}); }

Failure from_shell(const node::Failure& failure) {
  return {failure.exit_status == 2 ? Code::kBadRequest : Code::kCannotStart, failure.message};
}

Result<std::vector<Endpoint>> endpoints(const std::vector<std::string>& texts, std::string_view option) {
  std::vector<Endpoint> out;
  for (const std::string& text : texts) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) {
      return refuse(std::string(option) + " takes addresses like 192.0.2.7:9338 or [2001:db8::7]:9338, not \"" +
                    node::escaped(text) + "\"");
    }
    out.push_back(*endpoint);
  }
  return out;
}

// A home for one life, closed to others.
Result<std::string> fresh_home() {
  std::error_code error;
  std::string pattern = std::filesystem::temp_directory_path(error).string();
  if (error) pattern = "/tmp";
  pattern += "/weft-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    return std::unexpected(Failure{Code::kCannotStart, "cannot make a directory like " + pattern});
  }
  return pattern;
}

Result<node::EmbeddedOptions> shell_options(NodeOptions& options) {
  auto listen = endpoints(options.listen, "listen");
  if (!listen) return std::unexpected(std::move(listen.error()));
  auto advertise = endpoints(options.advertise, "advertise");
  if (!advertise) return std::unexpected(std::move(advertise.error()));
  const bool is_file = options.network.find('/') != std::string::npos;
  if (!is_file && (options.network.empty() || options.network.size() > kNetworkNameBytesMax)) {
    return refuse("network is a name of 1 to " + std::to_string(kNetworkNameBytesMax) + " bytes, or a path with a / in it");
  }
  node::EmbeddedOptions out;
  out.runtime.listen = std::move(*listen);
  out.runtime.advertise = std::move(*advertise);
  out.runtime.seeds = std::move(options.seeds);
  out.runtime.name = std::move(options.name);
  out.runtime.tags = std::move(options.tags);
  out.runtime.network = std::move(options.network);
  out.runtime.ephemeral = options.ephemeral;
  out.runtime.durable = options.durable;
  out.runtime.log_level = std::move(options.log_level);
  out.runtime.log_fd = options.log_fd;
  out.remove_home = options.home.empty();
  if (out.remove_home) {
    auto home = fresh_home();
    if (!home) return std::unexpected(std::move(home.error()));
    out.runtime.home = std::move(*home);
    return out;
  }
  // The program may change its directory later.
  std::error_code error;
  out.runtime.home = std::filesystem::absolute(options.home, error).lexically_normal().string();
  if (error) return std::unexpected(Failure{Code::kCannotStart, "cannot tell where " + options.home + " is: " + error.message()});
  return out;
}

}  // namespace

Result<Node> Node::open(NodeOptions options) {
  if (auto deadline = node::ask_wait_members(0, {options.deadline}); !deadline) return std::unexpected(deadline.error());
  auto shell = shell_options(options);
  if (!shell) return std::unexpected(std::move(shell.error()));
  auto inside = std::make_shared<Inside>();
  inside->home = shell->runtime.home;
  auto started = node::EmbeddedNode::start(std::move(*shell));
  if (!started) return std::unexpected(from_shell(started.error()));
  inside->node = std::move(*started);
  Node out(inside);
  // Ready, whoever else is there.
  if (auto ready = out.wait_members(0, {options.deadline}); !ready) return std::unexpected(std::move(ready.error()));
  auto place = wait_for<node::Place>(inside, node::ask_read("/v1/status", {}), node::read_place);
  if (!place) return std::unexpected(std::move(place.error()));
  inside->place = std::move(*place);
  return out;
}

Node::Node(std::shared_ptr<Inside> inside) : inside_(std::move(inside)) {}
Node::Node(Node&& other) noexcept = default;
Node& Node::operator=(Node&& other) noexcept {
  if (this == &other) return *this;
  stop();
  inside_ = std::move(other.inside_);
  return *this;
}
Node::~Node() { stop(); }

void Node::stop() {
  // Held on to: within an answer another may move this Node away.
  if (const auto inside = inside_) inside->node->stop();
}

std::optional<std::string> Node::ended() const {
  if (inside_ == nullptr) return "it was moved from";
  return inside_->node->ended();
}

namespace {

const node::Place kNowhere;
const std::string kNoHome;

}  // namespace

const std::string& Node::id() const { return inside_ ? inside_->place.id : kNowhere.id; }
const std::string& Node::home() const { return inside_ ? inside_->home : kNoHome; }
const std::vector<std::string>& Node::listen() const { return inside_ ? inside_->place.listen : kNowhere.listen; }

// ---- members and values

Result<std::size_t> Node::wait_members(std::size_t count, CallOptions options) {
  return wait_for<std::size_t>(inside_, node::ask_wait_members(count, options), node::read_alive);
}
void Node::wait_members(std::size_t count, CallOptions options, Then<std::size_t> then) {
  call<std::size_t>(inside_, node::ask_wait_members(count, options), node::read_alive, std::move(then));
}

Result<Joined> Node::join(std::vector<std::string> seeds, CallOptions options) {
  return wait_for<Joined>(inside_, node::ask_join(seeds, options), node::read_joined);
}
void Node::join(std::vector<std::string> seeds, CallOptions options, Then<Joined> then) {
  call<Joined>(inside_, node::ask_join(seeds, options), node::read_joined, std::move(then));
}

Result<std::vector<Member>> Node::members(CallOptions options) {
  return wait_for<std::vector<Member>>(inside_, node::ask_read("/v1/members", options), node::read_members);
}
void Node::members(CallOptions options, Then<std::vector<Member>> then) {
  call<std::vector<Member>>(inside_, node::ask_read("/v1/members", options), node::read_members, std::move(then));
}

Result<MemberChanges> Node::member_changes(ChangesOptions options) {
  return wait_for<MemberChanges>(inside_, node::ask_member_changes(options), node::read_member_changes);
}
void Node::member_changes(ChangesOptions options, Then<MemberChanges> then) {
  call<MemberChanges>(inside_, node::ask_member_changes(options), node::read_member_changes, std::move(then));
}

Result<PutReceipt> Node::put(std::string_view key, std::string_view value, PutOptions options) {
  return wait_for<PutReceipt>(inside_, node::ask_put(key, value, options), node::read_put);
}
void Node::put(std::string_view key, std::string_view value, PutOptions options, Then<PutReceipt> then) {
  call<PutReceipt>(inside_, node::ask_put(key, value, options), node::read_put, std::move(then));
}

Result<Found> Node::get(std::string_view key, GetOptions options) {
  return wait_for<Found>(inside_, node::ask_get(key, options), node::read_found);
}
void Node::get(std::string_view key, GetOptions options, Then<Found> then) {
  call<Found>(inside_, node::ask_get(key, options), node::read_found, std::move(then));
}

Result<PutReceipt> Node::remove(std::string_view key, CallOptions options) {
  return wait_for<PutReceipt>(inside_, node::ask_remove(key, options), node::read_put);
}
void Node::remove(std::string_view key, CallOptions options, Then<PutReceipt> then) {
  call<PutReceipt>(inside_, node::ask_remove(key, options), node::read_put, std::move(then));
}

Result<PutReceipt> Node::provide(std::string_view key, PutOptions options) {
  return wait_for<PutReceipt>(inside_, node::ask_provide(key, options), node::read_put);
}
void Node::provide(std::string_view key, PutOptions options, Then<PutReceipt> then) {
  call<PutReceipt>(inside_, node::ask_provide(key, options), node::read_put, std::move(then));
}

Result<std::vector<Provider>> Node::providers(std::string_view key, CallOptions options) {
  return wait_for<std::vector<Provider>>(inside_, node::ask_providers(key, options), node::read_providers);
}
void Node::providers(std::string_view key, CallOptions options, Then<std::vector<Provider>> then) {
  call<std::vector<Provider>>(inside_, node::ask_providers(key, options), node::read_providers, std::move(then));
}

// ---- shared state

Result<Namespace> Node::state_create(std::string_view space, CreateOptions options) {
  return wait_for<Namespace>(inside_, node::ask_state_create(space, options), node::read_space);
}
void Node::state_create(std::string_view space, CreateOptions options, Then<Namespace> then) {
  call<Namespace>(inside_, node::ask_state_create(space, options), node::read_space, std::move(then));
}

Result<Namespace> Node::state_join(std::string_view space, CallOptions options) {
  return wait_for<Namespace>(inside_, node::ask_to_space("/v1/state/join", space, options), node::read_space);
}
void Node::state_join(std::string_view space, CallOptions options, Then<Namespace> then) {
  call<Namespace>(inside_, node::ask_to_space("/v1/state/join", space, options), node::read_space, std::move(then));
}

Result<void> Node::state_leave(std::string_view space, CallOptions options) {
  return wait_for<void>(inside_, node::ask_to_space("/v1/state/leave", space, options), node::read_done);
}
void Node::state_leave(std::string_view space, CallOptions options, Then<void> then) {
  call<void>(inside_, node::ask_to_space("/v1/state/leave", space, options), node::read_done, std::move(then));
}

Result<void> Node::state_grant(std::string_view space, std::string_view node, GrantOptions options) {
  return wait_for<void>(inside_, node::ask_state_grant(space, node, options), node::read_done);
}
void Node::state_grant(std::string_view space, std::string_view node, GrantOptions options, Then<void> then) {
  call<void>(inside_, node::ask_state_grant(space, node, options), node::read_done, std::move(then));
}

Result<void> Node::state_revoke(std::string_view space, std::string_view node, CallOptions options) {
  return wait_for<void>(inside_, node::ask_state_revoke(space, node, options), node::read_done);
}
void Node::state_revoke(std::string_view space, std::string_view node, CallOptions options, Then<void> then) {
  call<void>(inside_, node::ask_state_revoke(space, node, options), node::read_done, std::move(then));
}

Result<std::vector<Namespace>> Node::state_spaces(CallOptions options) {
  return wait_for<std::vector<Namespace>>(inside_, node::ask_read("/v1/state/namespaces", options), node::read_spaces);
}
void Node::state_spaces(CallOptions options, Then<std::vector<Namespace>> then) {
  call<std::vector<Namespace>>(inside_, node::ask_read("/v1/state/namespaces", options), node::read_spaces, std::move(then));
}

Result<DocumentNames> Node::state_docs(std::string_view space, PageOptions options) {
  return wait_for<DocumentNames>(inside_, node::ask_state_docs(space, options), node::read_docs);
}
void Node::state_docs(std::string_view space, PageOptions options, Then<DocumentNames> then) {
  call<DocumentNames>(inside_, node::ask_state_docs(space, options), node::read_docs, std::move(then));
}

Result<Digest> Node::state_digest(std::string_view space, CallOptions options) {
  return wait_for<Digest>(inside_, node::ask_of_space("/v1/state/digest", space, options), node::read_digest);
}
void Node::state_digest(std::string_view space, CallOptions options, Then<Digest> then) {
  call<Digest>(inside_, node::ask_of_space("/v1/state/digest", space, options), node::read_digest, std::move(then));
}

Result<Document> Node::state_get(std::string_view doc, CallOptions options) {
  return wait_for<Document>(inside_, node::ask_state_get(doc, options), node::read_document);
}
void Node::state_get(std::string_view doc, CallOptions options, Then<Document> then) {
  call<Document>(inside_, node::ask_state_get(doc, options), node::read_document, std::move(then));
}

Result<Document> Node::state_set(std::string_view doc, std::string_view value, CallOptions options) {
  return wait_for<Document>(inside_, node::ask_state_change(doc, written(What::kSet, value), options), node::read_document);
}
void Node::state_set(std::string_view doc, std::string_view value, CallOptions options, Then<Document> then) {
  call<Document>(inside_, node::ask_state_change(doc, written(What::kSet, value), options), node::read_document, std::move(then));
}

Result<Document> Node::state_rm(std::string_view doc, CallOptions options) {
  return wait_for<Document>(inside_, node::ask_state_change(doc, written(What::kRemove, {}), options), node::read_document);
}
void Node::state_rm(std::string_view doc, CallOptions options, Then<Document> then) {
  call<Document>(inside_, node::ask_state_change(doc, written(What::kRemove, {}), options), node::read_document, std::move(then));
}

Result<std::int64_t> Node::state_inc(std::string_view doc, std::int64_t amount, CallOptions options) {
  return wait_for<std::int64_t>(inside_, node::ask_state_change(doc, {.what = What::kIncrement, .path = {}, .value = {}, .amount = amount}, options), node::read_counter);
}
void Node::state_inc(std::string_view doc, std::int64_t amount, CallOptions options, Then<std::int64_t> then) {
  call<std::int64_t>(inside_, node::ask_state_change(doc, {.what = What::kIncrement, .path = {}, .value = {}, .amount = amount}, options), node::read_counter, std::move(then));
}

Result<Items> Node::state_add(std::string_view doc, std::string_view element, CallOptions options) {
  return wait_for<Items>(inside_, node::ask_state_change(doc, written(What::kAdd, element), options), node::read_items);
}
void Node::state_add(std::string_view doc, std::string_view element, CallOptions options, Then<Items> then) {
  call<Items>(inside_, node::ask_state_change(doc, written(What::kAdd, element), options), node::read_items, std::move(then));
}

Result<Items> Node::state_del(std::string_view doc, std::string_view element, CallOptions options) {
  return wait_for<Items>(inside_, node::ask_state_change(doc, written(What::kDelete, element), options), node::read_items);
}
void Node::state_del(std::string_view doc, std::string_view element, CallOptions options, Then<Items> then) {
  call<Items>(inside_, node::ask_state_change(doc, written(What::kDelete, element), options), node::read_items, std::move(then));
}

Result<Items> Node::state_items(std::string_view doc, PageOptions options) {
  return wait_for<Items>(inside_, node::ask_state_items(doc, options), node::read_items);
}
void Node::state_items(std::string_view doc, PageOptions options, Then<Items> then) {
  call<Items>(inside_, node::ask_state_items(doc, options), node::read_items, std::move(then));
}

Result<void> Node::state_write(std::string_view space, const std::vector<StateChange>& changes, CallOptions options) {
  return wait_for<void>(inside_, node::ask_state_write(space, changes, options), node::read_done);
}
void Node::state_write(std::string_view space, const std::vector<StateChange>& changes, CallOptions options, Then<void> then) {
  call<void>(inside_, node::ask_state_write(space, changes, options), node::read_done, std::move(then));
}

Result<Changes> Node::state_changes(std::string_view space, ChangesOptions options) {
  return wait_for<Changes>(inside_, node::ask_state_changes(space, options), node::read_changes);
}
void Node::state_changes(std::string_view space, ChangesOptions options, Then<Changes> then) {
  call<Changes>(inside_, node::ask_state_changes(space, options), node::read_changes, std::move(then));
}

}  // namespace weft
