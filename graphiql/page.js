// Bundled by scripts/pages.ts with everything that it needs: the page works without the internet.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const url = new URL('/graphql', location.href);
const subscriptionUrl = new URL(url);
subscriptionUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

// The headers tab also becomes connection_init's payload, so that one credential serves both.
const fetcher = createGraphiQLFetcher({ url: url.href, subscriptionUrl: subscriptionUrl.href });

const defaultQuery = `# Put a credential into the Headers tab below: {"x-admin-key": "…"} or {"authorization": "Bearer …"}
query Calls {
  viewer { kind name }
  calls(first: 10) {
    edges { node { id status direction agentKey session { id turns { speaker text } } } }
  }
}

# Everything that is being said, live:
# subscription Transcript($sessionId: ID!) {
#   transcriptTurns(sessionId: $sessionId, partial: true) { index speaker text final }
# }
`;

createRoot(document.getElementById('graphiql')).render(
  createElement(GraphiQL, { fetcher, defaultQuery, defaultHeaders: '{"x-admin-key": ""}' }),
);
