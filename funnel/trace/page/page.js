// Draws the whole page. The files of this folder are one script, joined in the order that `__init__.py` lists.

$("name").textContent = visible(source.name);
document.title = visible(`${oneLine(run.data.question ?? source.name, 80)} · funnel`);
drawAnswer();
drawTime();
drawTree();
drawCost();
drawSearch();
const linked = byId.get(Number(/^#event-(\d+)$/.exec(location.hash)?.[1]));
select(linked ?? run, { quietly: !linked });
if (linked) $("tree").scrollIntoView();
document.querySelectorAll(".citations mark").forEach(centre);
