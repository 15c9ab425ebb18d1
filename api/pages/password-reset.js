const token = location.pathname.split('/').pop();
const status = document.querySelector('[role=status]');
const form = document.querySelector('form');

async function send() {
  const response = await fetch(`/v1/password-resets/${encodeURIComponent(token)}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  if (response.ok) {
    form.hidden = true;
    status.textContent = 'Your new password holds from now on. Sign in with it.';
    return;
  }
  const answer = await response.json();
  const faults = (answer.errors ?? []).map((each) => `The password ${each.detail}.`);
  status.textContent = [answer.detail, ...faults].join('\n');
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  status.textContent = 'One moment …';
  send().catch(() => {
    status.textContent = 'This page could not reach the service. Please try again.';
  });
});
