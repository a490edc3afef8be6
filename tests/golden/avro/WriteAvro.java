import java.io.File;
import java.io.FileOutputStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.avro.*;
import org.apache.avro.file.*;
import org.apache.avro.generic.*;
import org.apache.avro.message.BinaryMessageEncoder;

/**
 * Writes the fixtures java.*.avro and java.single-object.bin with org.apache.avro:avro 1.12.0 (Maven Central):
 * java -cp '<jars>' WriteAvro.java everything.avsc <directory>
 */
public class WriteAvro {
  public static void main(String[] args) throws Exception {
    Schema schema = new Schema.Parser().parse(new File(args[0]));
    Map<String, CodecFactory> codecs = new LinkedHashMap<>();
    codecs.put("null", CodecFactory.nullCodec());
    codecs.put("deflate", CodecFactory.deflateCodec(6));
    codecs.put("snappy", CodecFactory.snappyCodec());
    codecs.put("zstandard", CodecFactory.zstandardCodec(3, true));
    codecs.put("bzip2", CodecFactory.bzip2Codec());
    codecs.put("xz", CodecFactory.xzCodec(6));
    for (Map.Entry<String, CodecFactory> codec : codecs.entrySet()) {
      DataFileWriter<GenericRecord> writer = new DataFileWriter<>(new GenericDatumWriter<>(schema));
      writer.setCodec(codec.getValue()).setSyncInterval(4000);
      writer.create(schema, new FileOutputStream(args[1] + "/java." + codec.getKey() + ".avro"), new byte[16]);
      for (int i = 0; i < 100; i++) writer.append(row(schema, i));
      writer.close();
    }
    ByteBuffer single = new BinaryMessageEncoder<GenericRecord>(GenericData.get(), schema).encode(row(schema, 7));
    byte[] bytes = new byte[single.remaining()];
    single.get(bytes);
    try (FileOutputStream out = new FileOutputStream(args[1] + "/java.single-object.bin")) { out.write(bytes); }
  }

  static GenericRecord row(Schema schema, int i) {
    GenericRecord r = new GenericData.Record(schema);
    r.put("_time", 1793491200000L + 1001L * i);
    r.put("_user", i % 5 == 0 ? null : "user-" + i);
    r.put("flag", i % 2 == 0);
    r.put("small", (i % 2 == 0 ? 1 : -1) * i * 1000);
    r.put("large", (i % 2 == 0 ? 1 : -1) * ((1L << 62) + i));
    r.put("ratio", i / 3.0);
    r.put("half", i / 4.0f);
    r.put("raw", ByteBuffer.wrap(new byte[] {(byte) i, (byte) 255, 0}));
    r.put("text", "gr\u00fcn \ud83d\ude00 \"" + i + "\" \\ \n");
    r.put("color", new GenericData.EnumSymbol(schema.getField("color").schema(), i % 2 == 0 ? "RED" : "GREEN"));
    byte[] mac = new byte[6];
    for (int k = 0; k < 6; k++) mac[k] = (byte) (i + k);
    r.put("mac", new GenericData.Fixed(schema.getField("mac").schema(), mac));
    r.put("price", decimal(new BigDecimal(i * 100 - 5).movePointLeft(2).setScale(2)));
    r.put("huge", decimal(new BigDecimal(java.math.BigInteger.TEN.pow(38).add(java.math.BigInteger.valueOf(i)))
        .multiply(BigDecimal.valueOf(i % 2 == 0 ? 1 : -1))));
    r.put("day", 20758 - 20000 * (i % 3));
    r.put("clock", ((13 * 60 + 45) * 60 + i % 60) * 1000 + 7);
    r.put("clock_us", 86400000000L - 1 - i);
    r.put("at_us", -1L - i);
    r.put("local", 1774751400000L + i);
    r.put("id", new UUID(0, i).toString());
    List<String> tags = new ArrayList<>();
    for (int k = 0; k < i % 4; k++) tags.add("t" + k);
    r.put("tags", tags);
    Map<String, Object> scores = new LinkedHashMap<>();
    for (int k = 0; k < i % 3; k++) scores.put("k" + k, k == 1 ? null : k / 2.0);
    r.put("scores", scores);
    r.put("either", i % 4 == 0 ? null : i % 4 == 1 ? (Object) ((1L << 40) + i) : i % 4 == 2 ? "s" + i : List.of(i, -i));
    Schema tree = schema.getField("tree").schema();
    List<GenericRecord> children = new ArrayList<>();
    for (int k = 0; k < i % 3; k++) children.add(node(tree, "b" + i, List.of()));
    r.put("tree", node(tree, "a", children));
    return r;
  }

  static GenericRecord node(Schema tree, String label, List<GenericRecord> children) {
    GenericRecord r = new GenericData.Record(tree);
    r.put("label", label);
    r.put("children", children);
    return r;
  }

  static ByteBuffer decimal(BigDecimal value) {
    return ByteBuffer.wrap(value.unscaledValue().toByteArray());
  }
}
