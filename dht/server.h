// The answering side: what a node does with the requests of others, and with the end of a commit.
//
// The two reads allocate nothing, learn nothing and cost constant work. A store is answered after
// its commit; the checks run from cheap to dear: token, form, number, signature, quota. Signatures of more than
// kChecksPerTurn values in one instant wait for the next deadline (kUncheckedMax of them at most), so a ping behind a
// hundred stores is answered after reading them, not after checking them.
//
// Of a paged store (value_store.h) what is not in memory is asked for first, and the answer comes later; an asker
// in early data is told that there is more, and asks again in its session. So an address that
// proved nothing can cause reads of the disk, kEarlyLoadsMax at a time, but holds nothing here meanwhile.
#pragma once

#include "dht/core.h"

namespace weft::dht {

// Values looked at for one Get before it says that there is more.
inline constexpr std::size_t kValuesScannedMax = 64;
// Values looked at for one Compare: of a store in memory those whose keys may be of an item, of a paged one all between
// its keys. If there are more, the answer says nothing of any.
inline constexpr std::size_t kCompareScannedMax = 1024;
// One in so many values that another holder has just compared is published by us all the same: who
// pretends to see to the copies cannot keep all others from it.
inline constexpr std::uint64_t kTrustNobodyEvery = 32;

void serve_find_node(Now now, Core& core, const Asker& asker, const FindNode& m, Nodes& reply);
void serve_get(Now now, Core& core, const Asker& asker, const Get& m, Values& reply);
// The same under a key that is not known. True: the answer comes later, in Output::late_values.
bool serve_get_later(Now now, Core& core, const Asker& asker, const Get& m, Values& reply,
                     Output& out);
// As the reads, but a value that the asker has, too, needs no publication of ours. Of a paged store `loaded` is
// what lies between the keys; else it is null.
void serve_compare(Now now, Core& core, const Asker& asker, const Compare& m, const Loaded* loaded,
                   ByteArray<kCompareItemsMax / 8>& room, Compared& reply);
// Asks for that; the answer comes in Output::late_compared. False: too much is asked for already.
bool serve_compare_later(Core& core, const Asker& asker, const Compare& m, Output& out);
void serve_store(Now now, Core& core, const Asker& asker, const Store& m, Output& out);
void serve_store_many(Now now, Core& core, const Asker& asker, const StoreMany& m, Output& out);
// Goes on with kChecksPerTurn of the stores that wait for their signature to be checked.
void serve_unchecked(Now now, Core& core, Output& out);

// A commit of another's value has ended: holds it and answers. False: not such a ticket.
bool finish_store(Now now, Core& core, Ticket ticket, bool ok, Output& out);
// A commit of an own value has ended: it becomes current. Returns the operation that waits for it,
// nullopt if the ticket is not of that kind.
std::optional<OpKey> finish_own(Now now, Core& core, Ticket ticket, bool ok, Output& out);

// A row of an earlier life.
void restore_row(Now now, Core& core, ByteView key, ByteView value, Duration down);

}  // namespace weft::dht
