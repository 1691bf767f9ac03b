"""A worker of the accounts stage alone: what the throughput of that stage is measured on."""

from stream import app, settings

if __name__ == "__main__":
    app.run(settings.load(), lambda config: app.stages(config)[:1])
