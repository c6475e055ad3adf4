{{?httpProxy}}export HTTP_PROXY={{shell:httpProxy}}
{{/}}{{?httpsProxy}}export HTTPS_PROXY={{shell:httpsProxy}}
{{/}}export NO_PROXY={{shell:noProxyAll}}
