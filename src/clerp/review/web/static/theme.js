// Runs before anything is drawn, so that no page flashes in the other theme.
const theme = localStorage.getItem("clerp-theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
