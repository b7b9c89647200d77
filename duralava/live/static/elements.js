/** Returns the element of the page with this id. */
export function find(id) {
  return document.getElementById(id);
}
