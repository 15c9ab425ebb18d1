const token = location.pathname.split('/').pop();
const status = document.querySelector('[role=status]');
const form = document.querySelector('form');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  status.textContent = 'One moment …';
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const response = await fetch(`/v1/invitations/${encodeURIComponent(token)}/acceptance`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  const answer = await response.json();
  if (response.ok) {
    form.hidden = true;
    status.textContent =
      'Your account is ready. Sign in at this address with your e-mail address and the password you chose; how is told at /docs (POST /v1/sessions).';
  } else {
    status.textContent = [
      answer.detail,
      ...(answer.errors ?? []).map((each) => `${each.pointer}: ${each.detail}`),
    ].join('\n');
  }
});
