// Kafka Streams: one processor over three topics, one state store an account, exactly_once_v2.
// Environment as for every peer (see floor.py), and BENCH_GROUP, BENCH_STORE (memory, rocksdb), BENCH_STATE (a folder), BENCH_THREADS, BENCH_COMMIT_MS.

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public class KafkaStreamsPeer {
  static final long WINDOW = 30L * 86_400_000;
  static final int KEPT = 8, NEEDED = 2;
  static final AtomicLong seen = new AtomicLong();
  static final CountDownLatch end = new CountDownLatch(1);
  static volatile long halfSeen, halfAt, halfCpu, endAt, endCpu;
  static long total;

  public static class Event {
    public String event_id, account_id, occurred_at, direction, amount, currency, counterparty_id, category, scheme;
    public String reason_code, bill_id, amount_due, due_date, outcome;

    void check(boolean... there) {
      for (boolean one : there) if (!one) throw new IllegalArgumentException();
    }

    void check(String topic) {
      check(event_id != null, account_id != null, occurred_at != null, counterparty_id != null, category != null);
      if (topic.endsWith("payments")) check(direction != null, amount != null, currency != null, scheme != null);
      else if (topic.endsWith("bounces")) check(scheme != null, reason_code != null);
      else check(bill_id != null, amount_due != null, currency != null, due_date != null, outcome != null);
    }
  }

  static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  static void count() {
    long now = seen.incrementAndGet();
    if (now == total / 2) {
      halfSeen = now;
      halfCpu = cpu();
      halfAt = System.nanoTime();
    } else if (now == total) {
      endAt = System.nanoTime();
      endCpu = cpu();
      end.countDown();
    }
  }

  // A row: payments, debits in minor units, then for bounces and for missed bills how many times are kept, and the times.
  static class Step implements Processor<byte[], byte[], byte[], byte[]> {
    static final int ROW = 8 * (2 + 2 * (1 + KEPT));
    final ObjectReader reader =
        new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false).readerFor(Event.class);
    KeyValueStore<byte[], byte[]> store;
    ProcessorContext<byte[], byte[]> context;

    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      store = context.getStateStore("accounts");
    }

    public void process(Record<byte[], byte[]> record) {
      String topic = context.recordMetadata().get().topic();
      Event event;
      long at, minor;
      try {
        event = reader.readValue(record.value());
        event.check(topic);
        at = OffsetDateTime.parse(event.occurred_at).toInstant().toEpochMilli();
        minor = event.amount == null ? 0 : Math.round(Double.parseDouble(event.amount) * 100);
      } catch (Exception bad) {
        context.forward(record, "dead-letters");
        count();
        return;
      }
      byte[] before = store.get(record.key());
      byte[] row = before == null ? new byte[ROW] : before.clone();
      ByteBuffer view = ByteBuffer.wrap(row);
      if (topic.endsWith("payments")) {
        view.putLong(0, view.getLong(0) + 1);
        view.putLong(8, view.getLong(8) + minor);
      } else {
        int base = topic.endsWith("bounces") ? 16 : 16 + 8 * (1 + KEPT);
        long times = view.getLong(base);
        view.putLong(base + 8 + 8 * (int) (times % KEPT), at);
        view.putLong(base, times + 1);
        int within = 0;
        for (int k = 0; k < Math.min(KEPT, times + 1); k++) {
          if (at - view.getLong(base + 8 + 8 * k) < WINDOW) within++;
        }
        if (within >= NEEDED) {
          byte[] signal = ("{\"account_id\":\"" + event.account_id + "\",\"count\":" + within + "}").getBytes();
          context.forward(record.withValue(signal), "signals");
        }
      }
      store.put(record.key(), row);
      count();
    }
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> env = System.getenv();
    String prefix = env.get("BENCH_PREFIX");
    total = Long.parseLong(env.get("BENCH_TOTAL"));
    boolean memory = env.get("BENCH_STORE").equals("memory");
    Properties settings = new Properties();
    settings.put("application.id", env.get("BENCH_GROUP"));
    settings.put("bootstrap.servers", env.get("BENCH_BOOTSTRAP"));
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("auto.offset.reset", "earliest");
    settings.put("num.stream.threads", env.get("BENCH_THREADS"));
    settings.put("commit.interval.ms", env.get("BENCH_COMMIT_MS"));
    settings.put("replication.factor", "1");
    settings.put("max.poll.records", "5000");
    settings.put("state.dir", env.get("BENCH_STATE"));
    Topology topology = new Topology();
    topology.addSource(
        "in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), prefix + "payments", prefix + "bounces", prefix + "missed-bills");
    topology.addProcessor("step", Step::new, "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                memory ? Stores.inMemoryKeyValueStore("accounts") : Stores.persistentKeyValueStore("accounts"),
                Serdes.ByteArray(), Serdes.ByteArray())
            .withCachingEnabled(),
        "step");
    topology.addSink("signals", prefix + "signals", new ByteArraySerializer(), new ByteArraySerializer(), "step");
    topology.addSink("dead-letters", prefix + "dead-letters", new ByteArraySerializer(), new ByteArraySerializer(), "step");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    streams.start();
    end.await();
    double seconds = (endAt - halfAt) / 1e9, rest = total - halfSeen;
    streams.close();
    System.out.printf(
        "{\"events_per_second\": %.1f, \"cpu_us_per_event\": %.3f}%n", rest / seconds, (endCpu - halfCpu) / 1e3 / rest);
    System.exit(0);
  }
}
