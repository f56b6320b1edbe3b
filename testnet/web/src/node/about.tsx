// The member that was chosen, or this node itself: what the list of members, the routing table and its status say of it.
import { ComponentChildren } from "preact";
import { use } from "../shared";
import { kStateDot, span_text, Spot, state_text } from "./data";
import { tags_text } from "./tables";
import { store, ui } from "./ui";

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num">{children ?? "–"}</dd>
    </div>
  );
}

const ms = (x: number | null | undefined) => (x === null || x === undefined ? "–" : `${x.toFixed(2)} ms`);

function OfAnother({ spot }: { spot: Spot }) {
  const { member, contact } = spot;
  return (
    <section class="panel details" aria-label={`Member ${spot.name}`} data-testid="about">
      <h2>
        <i class={`dot ${kStateDot[spot.state]}`} /> {spot.name} <span class="dim">{state_text(spot)}</span>
        <button class="quiet end" aria-label="Close" onClick={() => ui.select(null)}>
          ✕
        </button>
      </h2>
      <p class="mono id dim">{spot.id}</p>
      <dl class="facts">
        <Fact name="address">{member?.address ?? contact?.address}</Fact>
        <Fact name="round trip">{ms(member?.rtt_ms ?? contact?.rtt_ms)}</Fact>
        <Fact name="incarnation">{member?.incarnation}</Fact>
        <Fact name="bucket">{contact ? `${contact.bucket}, seen before ${span_text(contact.last_seen_s)}` : "no contact"}</Fact>
      </dl>
      {member && Object.keys(member.tags).length > 0 && <p class="dim">{tags_text(member.tags)}</p>}
    </section>
  );
}

export function About() {
  use(store, ui);
  const spot = store.spot(ui.selected);
  const { status } = store;
  if (spot && spot.id !== status?.id) return <OfAnother spot={spot} />;
  return (
    <section class="panel details" aria-label="This node" data-testid="about">
      <h2>
        <i class={`dot ${status ? (status.health.length ? "warn" : "ok") : ""}`} /> This node
        <span class="dim">{status ? status.health[0] ?? "is well" : ""}</span>
      </h2>
      {status && (
        <>
          <p class="mono id dim" data-testid="own-id">
            {status.id}
          </p>
          <dl class="facts">
            <Fact name="listens">{status.listen.join(", ")}</Fact>
            <Fact name="runs for">{span_text(status.uptime_s)}</Fact>
            <Fact name="sessions">{status.sessions}</Fact>
            <Fact name="nodes, estimated">{status.network_size_estimate}</Fact>
          </dl>
        </>
      )}
    </section>
  );
}
