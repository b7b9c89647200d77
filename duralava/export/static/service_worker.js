// Keeps the files of the page in the browser, so that it opens without a network.
//
// duralava/export/offline.py writes VERSION and FILES above this line.

/* global VERSION, FILES */

const CACHE = `duralava ${registration.scope} ${VERSION}`;

addEventListener("install", (event) => {
  event.waitUntil(fill().then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(removeOthers().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function fill() {
  const cache = await caches.open(CACHE);
  // Files that the browser has loaded for the page are only checked, not loaded again.
  await cache.addAll(FILES.map((name) => new Request(name, { cache: "no-cache" })));
}

/** Removes the files of other versions of this page; other sites may share the origin. */
async function removeOthers() {
  const prefix = `duralava ${registration.scope} `;
  const names = (await caches.keys()).filter((name) => name.startsWith(prefix));
  const old = names.filter((name) => name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  // The options of a link follow a "?"; the page is the same.
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
