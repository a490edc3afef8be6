/** What the sample events and the demo's are made of: visits to a shop's web site, and rounds of a game. */
import type { Random } from "../../runtime/random.ts";

/** The time of the first event, epoch ms: 2026-09-01T06:00:00Z. */
export const START_MS = Date.UTC(2026, 8, 1, 6);

/** An event's properties. */
export type Fields = Record<string, unknown>;

/** One thing of many. */
function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random.next() * values.length)];
}

function integer(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

const PEOPLE = [
  { city: "Berlin", country: "DE", locale: "de-DE" },
  { city: "München", country: "DE", locale: "de-DE" },
  { city: "İstanbul", country: "TR", locale: "tr-TR" },
  { city: "Lyon", country: "FR", locale: "fr-FR" },
  { city: "São Paulo", country: "BR", locale: "pt-BR" },
  { city: "東京", country: "JP", locale: "ja-JP" },
  { city: "Austin", country: "US", locale: "en-US" },
];
const PRODUCTS = [
  { sku: "TEA-0100", name: "Green tea, 100 g", category: "tea", cents: 790 },
  { sku: "TEA-0250", name: "Darjeeling, 250 g", category: "tea", cents: 1650 },
  { sku: "CUP-0002", name: 'Cup "Ada", white', category: "tableware", cents: 1200 },
  { sku: "POT-0001", name: "Teapot, 1.2 l", category: "tableware", cents: 4900 },
  { sku: "CAF-0500", name: "Espresso beans, 500 g", category: "coffee", cents: 1390 },
  { sku: "GFT-0050", name: "Gift card 🎁", category: "gifts", cents: 5000 },
];
const QUERIES = ["green tea", "teapot", "çay", "kaffee", "cup white", "gift", "緑茶", "matcha \u2013 organic"];
const BROWSERS = ["Chrome 139", "Safari 18.6", "Firefox 142", "Edge 139"];
const DEVICES = ["Pixel 9", "iPhone 16", "Galaxy S25", "iPad Air"];

function visitor(random: Random): Fields {
  const number = 1000 + integer(random, 180);
  const { country, city, locale } = PEOPLE[number % PEOPLE.length];
  return { _user: `u${number}`, session_id: random.hex(6), country, city, locale };
}

function pageview(random: Random, timeMs: number): Fields {
  const product = pick(random, PRODUCTS);
  return {
    _time: timeMs,
    ...visitor(random),
    url: `https://shop.example.com/${product.category}/${product.sku.toLowerCase()}`,
    referrer: random.next() < 0.4 ? null : pick(random, ["https://www.example.org/", "https://news.example.net/tea"]),
    browser: pick(random, BROWSERS),
    screen_width: pick(random, [390, 1366, 1440, 1920]),
    load_seconds: integer(random, 4000) / 1000,
    is_mobile: random.next() < 0.45,
  };
}

function search(random: Random, timeMs: number): Fields {
  const hits = random.next() < 0.15 ? 0 : 1 + integer(random, 40);
  return {
    _time: timeMs,
    ...visitor(random),
    query: pick(random, QUERIES),
    result_count: hits,
    clicked: hits > 0 && random.next() < 0.6,
    filters: random.next() < 0.5 ? [] : [pick(random, ["in stock", "on sale"]), pick(random, ["organic", "new"])],
  };
}

function purchase(random: Random, timeMs: number): Fields {
  const items = Array.from({ length: 1 + integer(random, 3) }, () => pick(random, PRODUCTS));
  const total = items.reduce((sum, { cents }) => sum + cents, 0);
  return {
    _time: timeMs,
    ...visitor(random),
    order_id: 7_400_000_000_000 + integer(random, 1e9),
    total: total / 100,
    currency: "EUR",
    skus: items.map(({ sku }) => sku),
    first_item: items[0].name,
    coupon: random.next() < 0.8 ? null : "AUTUMN10",
    address: { street: "Main Street " + (1 + integer(random, 90)), zip: String(10000 + integer(random, 89999)) },
    delivery_date: new Date(timeMs + (2 + integer(random, 4)) * 86_400_000).toISOString().slice(0, 10),
    first_order: random.next() < 0.3,
  };
}

function player(random: Random): Fields {
  return {
    _user: `player-${integer(random, 120)}`,
    device: pick(random, DEVICES),
    app_version: pick(random, ["2.8.1", "2.9.0"]),
  };
}

function appOpen(random: Random, timeMs: number): Fields {
  return {
    _time: new Date(timeMs).toISOString(),
    ...player(random),
    cold_start_ms: 200 + integer(random, 1800),
    push_enabled: random.next() < 0.5,
    installed_on: new Date(timeMs - integer(random, 300) * 86_400_000).toISOString().slice(0, 10),
    battery: random.next() < 0.1 ? null : integer(random, 101) / 100,
  };
}

function levelEnd(random: Random, timeMs: number): Fields {
  const won = random.next() < 0.6;
  return {
    _time: new Date(timeMs).toISOString(),
    ...player(random),
    level: 1 + integer(random, 60),
    won,
    score: won ? 1000 + integer(random, 90000) : 0,
    duration_seconds: 20 + integer(random, 40000) / 100,
    boosters: { bomb: integer(random, 3), hint: integer(random, 4) },
    moves: Array.from({ length: 3 + integer(random, 4) }, () => integer(random, 64)),
  };
}

/** A kind of events: how often it comes, where it belongs, its fields at a time (epoch ms). */
export interface EventKind {
  /** Its share of all events; the shares add up to 1. */
  readonly weight: number;
  readonly project: string;
  readonly collection: string;
  fields(random: Random, timeMs: number): Fields;
}

const KINDS: readonly EventKind[] = [
  { weight: 0.42, project: "shop", collection: "pageview", fields: pageview },
  { weight: 0.12, project: "shop", collection: "search", fields: search },
  { weight: 0.08, project: "shop", collection: "purchase", fields: purchase },
  { weight: 0.16, project: "game", collection: "app_open", fields: appOpen },
  { weight: 0.22, project: "game", collection: "level_end", fields: levelEnd },
];

/** One of the kinds, as often as its weight says. */
export function pickKind(random: Random): EventKind {
  let rest = random.next();
  return KINDS.find(({ weight }) => (rest -= weight) < 0) ?? KINDS[0];
}
