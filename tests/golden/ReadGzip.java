import java.io.FileInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/**
 * Copies a gzip file's contents to standard output, over a stream that never says that more is available, as network streams
 * do: GZIPInputStream then takes the end of a first member for the end of the file.
 */
public class ReadGzip {
  static class Unbuffered extends FilterInputStream {
    Unbuffered(InputStream in) {
      super(in);
    }

    @Override
    public int available() {
      return 0;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      return super.read(bytes, offset, Math.min(length, 1000));
    }
  }

  public static void main(String[] arguments) throws IOException {
    try (InputStream in = new GZIPInputStream(new Unbuffered(new FileInputStream(arguments[0])))) {
      in.transferTo(System.out);
    }
    System.out.flush();
  }
}
