// Clips play while they are seen, and a line runs along their reward.
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !still && !target.dataset.held) target.play().catch(() => {});
    else target.pause();
  }
}, { threshold: 0.2 });
function follow(video, line) {
  if (video.duration) {
    const x = (100 * video.currentTime) / video.duration;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  }
  requestAnimationFrame(() => follow(video, line));
}
for (const video of document.querySelectorAll("video")) {
  seen.observe(video);
  follow(video, video.closest("figure").querySelector(".now"));
  video.addEventListener("click", () => {
    video.dataset.held = video.paused ? "" : "1";
    video.paused ? video.play() : video.pause();
  });
}
