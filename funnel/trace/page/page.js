// Draws the whole page. The files of this folder are one script, joined in the order that `__init__.py` lists.

$("name").textContent = visible(source.name);
document.title = visible(`${oneLine(run.data.question ?? source.name, 80)} · funnel`);
drawAnswer();
drawTime();
drawTree();
drawCost();
drawSearch();
goByKeys();
const linked = byId.get(Number(/^#event-(\d+)$/.exec(location.hash)?.[1]));
select(linked ?? run, { quietly: !linked });
if (linked) $("tree").scrollIntoView();
document.querySelectorAll(".citations mark").forEach(centre);

/** Goes to a part of the page by the letter that its link names. */
function goByKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    event.preventDefault();
    link.click();
  });
}
